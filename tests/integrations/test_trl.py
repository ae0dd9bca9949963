"""TRL's trainers with our losses: the same numbers as without TRL, ids, ledger, resume, and refusals."""

from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from gammapo import data, losses
from gammapo.errors import InputError
from gammapo.types import PairLogps

pytest.importorskip("trl", reason="needs the package trl")
from datasets import Dataset, Features, IterableDataset, Value

from gammapo.integrations.trl import CPOConfig, CPOTrainer, DPOConfig, DPOTrainer

ROWS = [
    {"prompt": f"Tell me about a {thing}", "chosen": f"a {thing} sat on the mat", "rejected": f"no {thing}!"}
    for thing in "river mountain bird bridge cat sea hill mat".split()
]
SETTINGS = {
    "per_device_train_batch_size": 4,
    "max_length": 64,
    "learning_rate": 1e-3,
    "logging_steps": 1,
    "report_to": "none",
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "disable_tqdm": True,
    "save_strategy": "no",
    "seed": 0,
}

TRLS_SIMPO = {"loss_type": "simpo", "cpo_alpha": 0.0}


@pytest.fixture
def load(tiny_model_dir):
    from transformers import AutoModelForCausalLM

    return lambda: AutoModelForCausalLM.from_pretrained(tiny_model_dir)


def make(kind, load, tokenizer, out, rows=ROWS, **settings):
    config, trainer = (CPOConfig, CPOTrainer) if kind == "cpo" else (DPOConfig, DPOTrainer)
    args = config(str(out), **(SETTINGS | settings))
    return trainer(model=load(), args=args, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)


@pytest.mark.parametrize(
    ("kind", "loss"), [("cpo", "gamma_simpo"), ("dpo", "gamma_simpo"), ("dpo", "gammapo")]
)
def test_trains_and_names_every_pair(kind, loss, load, tiny_tokenizer, tmp_path):
    trainer = make(kind, load, tiny_tokenizer, tmp_path, loss_type=loss, loss_options={"beta": 2})
    before = {name: weight.clone() for name, weight in trainer.model.named_parameters()}
    trainer.train()
    assert any(not torch.equal(before[name], weight) for name, weight in trainer.model.named_parameters())
    ledger = pq.read_table(tmp_path / "ledger.parquet").to_pandas()
    one = data.iter_pairs  # the ids are those that gammapo gives the same rows elsewhere
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(__import__("json").dumps(row) + "\n" for row in ROWS))
    assert sorted(set(ledger.pair_id)) == sorted(pair.id for pair in one(path))
    assert len(ledger) == 3 * len(ROWS)  # TRL's default of three epochs
    assert "target_margin" in trainer.state.log_history[0]


def test_the_first_loss_is_ours_on_trls_log_probs(load, tiny_tokenizer, tmp_path):
    trainer = make("cpo", load, tiny_tokenizer, tmp_path, loss_type="gamma_simpo", beta=2.0, simpo_gamma=0.5)
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    model = trainer.model.eval()
    value, metrics = trainer.get_batch_loss_metrics(model, batch)
    with torch.no_grad():
        inputs = {key: batch[f"chosen_{key}"] for key in ("input_ids", "attention_mask")}
        logits = model(**inputs).logits.log_softmax(-1)
    labels = batch["chosen_labels"][:, 1:]
    kept = labels != -100
    by_hand = (logits[:, :-1].gather(2, labels.clamp(min=0)[..., None]).squeeze(2) * kept).sum(1)
    chosen, rejected, *_ = trainer.concatenated_forward(model, batch)
    assert torch.allclose(chosen, by_hand, atol=1e-4)
    expected = losses.create("gamma_simpo", beta=2.0, gamma=0.5)(
        PairLogps(
            chosen=chosen.detach(),
            rejected=rejected.detach(),
            chosen_length=kept.sum(1).float(),
            rejected_length=(batch["rejected_labels"][:, 1:] != -100).sum(1).float(),
        )
    )
    assert value.item() == pytest.approx(expected.loss.item(), abs=1e-6)
    assert metrics["target_margin"] == pytest.approx(0.5)


def test_simpo_here_is_trls_simpo_without_its_cloning_term(load, tiny_tokenizer, tmp_path):
    from trl.experimental.cpo import CPOConfig as TrlConfig
    from trl.experimental.cpo import CPOTrainer as TrlTrainer

    ours = make("cpo", load, tiny_tokenizer, tmp_path, loss_type="simpo", beta=2.0, simpo_gamma=0.5)
    theirs = TrlTrainer(
        model=load(),
        args=TrlConfig(
            str(tmp_path), **SETTINGS, loss_type="simpo", beta=2.0, simpo_gamma=0.5, cpo_alpha=0.0
        ),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tiny_tokenizer,
    )
    batch = ours._prepare_inputs(next(iter(ours.get_train_dataloader())))
    values = [trainer.get_batch_loss_metrics(trainer.model, batch)[0].item() for trainer in (ours, theirs)]
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_dpo_here_is_trls_dpo(load, tiny_tokenizer, tmp_path):
    from trl import DPOConfig as TrlConfig
    from trl import DPOTrainer as TrlTrainer

    ours = make("dpo", load, tiny_tokenizer, tmp_path, loss_type="dpo", beta=0.3)
    theirs = TrlTrainer(
        model=load(),
        args=TrlConfig(str(tmp_path), **SETTINGS, beta=0.3),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tiny_tokenizer,
    )
    for trainer in (ours, theirs):  # away from the reference, where the loss is not just log 2
        with torch.no_grad():
            trainer.model.get_output_embeddings().weight.mul_(1.3)
    batch = ours._prepare_inputs(next(iter(ours.get_train_dataloader())))
    mine = ours._compute_loss(ours.model, batch, False).item()
    batch.pop("pair_id")
    assert mine == pytest.approx(theirs._compute_loss(theirs.model, batch, False).item(), abs=1e-5)


def resumed_equals_whole(kind, load, tokenizer, out, resume=None, **settings):
    settings |= {"save_strategy": "steps", "save_steps": 3}
    whole = make(kind, load, tokenizer, out, **settings)
    whole.train()
    cut = make(kind, load, tokenizer, out, **settings)
    cut.train(resume_from_checkpoint=resume or str(out / "checkpoint-3"))
    for name, weight in whole.model.named_parameters():
        assert torch.allclose(weight, dict(cut.model.named_parameters())[name], atol=1e-6), name
    a, b = whole.keeper.ledger.table().to_pandas(), cut.keeper.ledger.table().to_pandas()
    assert list(a.pair_id) == list(b.pair_id)
    assert a.target_margin.to_numpy() == pytest.approx(b.target_margin.to_numpy(), abs=1e-5)
    assert cut.keeper.loss.options == whole.keeper.loss.options
    return cut


@pytest.mark.parametrize("kind", ["cpo", "dpo"])
def test_the_routers_auxiliary_loss_is_trls(kind, tiny_tokenizer, tmp_path):
    from transformers import AutoModelForCausalLM, MixtralConfig, MixtralForCausalLM
    from trl import DPOConfig as TrlDPOConfig
    from trl import DPOTrainer as TrlDPOTrainer
    from trl.experimental.cpo import CPOConfig as TrlCPOConfig
    from trl.experimental.cpo import CPOTrainer as TrlCPOTrainer

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    moe = {"num_key_value_heads": 2, "num_local_experts": 4, "num_experts_per_tok": 2}
    routers = {"output_router_logits": kind == "cpo", "router_aux_loss_coef": 5.0}
    MixtralForCausalLM(
        MixtralConfig(vocab_size=len(tiny_tokenizer), **sizes, **moe, **routers)
    ).save_pretrained(tmp_path / "moe")

    def read():
        return AutoModelForCausalLM.from_pretrained(tmp_path / "moe")

    classes: Any  # their stubs are of one trainer each
    if kind == "cpo":
        name, options, theirs_only = "simpo", {"beta": 2.0, "simpo_gamma": 0.5}, TRLS_SIMPO
        classes = (TrlCPOConfig, TrlCPOTrainer)
    else:
        name, options, theirs_only = "dpo", {"beta": 0.1}, {}
        classes = (TrlDPOConfig, TrlDPOTrainer)
    config, trainer = classes
    ours = make(kind, read, tiny_tokenizer, tmp_path, loss_type=name, **options)
    theirs = trainer(
        model=read(),
        args=config(str(tmp_path), **SETTINGS, **options, **theirs_only),
        train_dataset=Dataset.from_list(ROWS),
        processing_class=tiny_tokenizer,
    )
    batch = ours._prepare_inputs(next(iter(ours.get_train_dataloader())))
    mine = ours.compute_loss(ours.model, dict(batch)).item()
    batch.pop("pair_id", None)
    assert mine == pytest.approx(theirs.compute_loss(theirs.model, batch).item(), rel=1e-5)
    assert mine > 5  # the auxiliary loss is 5 × about 2 here


@pytest.mark.parametrize("beforehand", [False, True])
def test_a_loss_without_a_reference_keeps_no_second_model(
    beforehand, load, tiny_tokenizer, tmp_path, monkeypatch
):
    monkeypatch.setattr(
        "trl.trainer.dpo_trainer.create_model_from_path", lambda *_, **__: pytest.fail("read")
    )
    settings = {"loss_type": "gamma_simpo", "max_steps": 2, "precompute_ref_log_probs": beforehand}
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, **settings)
    assert trainer.ref_model is None
    assert "ref_chosen_logps" not in trainer.train_dataset.column_names
    assert trainer.args.precompute_ref_log_probs is beforehand
    trainer.train()
    assert trainer.evaluate(trainer.train_dataset)["eval_loss"] > 0


@pytest.mark.parametrize("beforehand", [False, True])
def test_a_loss_with_a_reference_has_its_log_probs(beforehand, load, tiny_tokenizer, tmp_path):
    settings = {"loss_type": "dpo", "max_steps": 1, "precompute_ref_log_probs": beforehand}
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, **settings)
    assert (trainer.ref_model is None) == beforehand
    assert ("ref_chosen_logps" in trainer.train_dataset.column_names) == beforehand
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(
        0.6931, abs=1e-4
    )  # log 2: they are equal yet


@pytest.mark.parametrize("name", ["ref_model", "sync_ref_model"])
def test_a_reference_that_would_be_ignored_is_refused(name, load, tmp_path):
    args = DPOConfig(str(tmp_path), **SETTINGS, loss_type="simpo", sync_ref_model=name == "sync_ref_model")
    more = {"ref_model": load()} if name == "ref_model" else {}
    with pytest.raises(InputError, match=f"{name}: .*{name} would be ignored"):
        DPOTrainer(model=load(), args=args, train_dataset=Dataset.from_list(ROWS), **more)


def test_resume_goes_on_with_state_and_ledger(load, tiny_tokenizer, tmp_path):
    resumed_equals_whole("cpo", load, tiny_tokenizer, tmp_path, loss_type="gamma_simpo", beta=2.0)


@pytest.mark.parametrize("loss", ["gammapo", "plc_dpo"])
def test_resume_with_a_loss_that_has_a_schedule(loss, load, tiny_tokenizer, tmp_path):
    """The checkpoint is loaded before the trainer knows how long the run is."""
    resumed_equals_whole("dpo", load, tiny_tokenizer, tmp_path, loss_type=loss)


def test_resume_from_the_last_checkpoint(load, tiny_tokenizer, tmp_path):
    settings = {"loss_type": "gammapo", "max_steps": 4}
    cut = resumed_equals_whole("dpo", load, tiny_tokenizer, tmp_path, resume=True, **settings)
    assert cut.resumed == tmp_path / "checkpoint-4"


@pytest.mark.parametrize(
    ("settings", "fresh"),
    [
        ({"max_steps": 3}, 3),
        ({"max_steps": 9}, 4),
        ({}, 4),
        ({"num_train_epochs": 0.5}, 2),
        ({"num_train_epochs": 2, "gradient_accumulation_steps": 3}, 4),
    ],
)
def test_pairs_are_new_for_one_pass_over_the_data(settings, fresh, load, tiny_tokenizer, tmp_path):
    """Eight pairs in batches of two: four batches, however long the run."""
    settings |= {"loss_type": "gammapo", "per_device_train_batch_size": 2}
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, **settings)
    trainer.train()
    assert trainer.keeper.loss.options.fresh_steps == fresh


def test_a_loss_with_a_schedule_knows_how_many_batches_come(load, tiny_tokenizer, tmp_path):
    """Four batches a pass in steps of three: a step of three and one of one, twice."""
    settings = {"num_train_epochs": 2, "gradient_accumulation_steps": 3, "per_device_train_batch_size": 2}
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, loss_type="plc_dpo", **settings)
    trainer.train()
    assert trainer.keeper.loss.options.total_steps == 8
    assert len(trainer.keeper.ledger.table()) == 8 * 2


def test_cpo_without_a_loss_type_trains_with_a_loss_that_it_can_have(load, tiny_tokenizer, tmp_path):
    trainer = make("cpo", load, tiny_tokenizer, tmp_path, max_steps=1)
    trainer.train()
    assert trainer.keeper.loss.name == "gamma_simpo"


def test_a_second_call_of_train_begins_afresh(load, tiny_tokenizer, tmp_path):
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, loss_type="gammapo", num_train_epochs=1)
    for _ in range(2):
        trainer.train()
        assert int(trainer.keeper.state["step"]) == 2
        assert len(pq.read_table(tmp_path / "ledger.parquet")) == len(ROWS)


def test_a_stream_is_trained_on_without_a_ledger(load, tiny_tokenizer, tmp_path):
    features = Features({name: Value("string") for name in ROWS[0]})
    made = DPOTrainer(
        model=load(),
        args=DPOConfig(str(tmp_path), **SETTINGS, loss_type="gammapo", max_steps=3),
        train_dataset=IterableDataset.from_generator(lambda: iter(ROWS * 2), features=features),
        processing_class=tiny_tokenizer,
    )
    made.train()
    assert made.state.global_step == 3
    assert made.keeper.loss.options.fresh_steps == 3
    assert len(made.keeper.ledger.table()) == 0


def test_a_loss_in_a_list_as_trl_has_it(load, tiny_tokenizer, tmp_path):
    trainer = make("dpo", load, tiny_tokenizer, tmp_path, loss_type=["ipo"])
    assert trainer.keeper.loss.name == "ipo"
    with pytest.raises(InputError, match=r"loss_type: got \['dpo', 'ipo'\].*one loss"):
        DPOConfig(str(tmp_path), **SETTINGS, loss_type=["dpo", "ipo"])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss_type": "dpo"}, "DPOTrainer"),
        ({"loss_type": "simpo", "cpo_alpha": 1.0}, "cloning"),
        ({"loss_type": "simpo", "label_smoothing": 0.1}, "epsilon"),
        ({"loss_type": "simpo", "beta": 2.0, "loss_options": {"beta": 3.0}}, "one of them"),
        ({"loss_type": "simpoo"}, "simpo"),
        ({"loss_type": "odpo"}, "reference model"),
    ],
)
def test_what_would_be_ignored_is_refused(settings, said, load, tiny_tokenizer, tmp_path):
    with pytest.raises(InputError, match=said):
        make("cpo", load, tiny_tokenizer, tmp_path, **settings)


@pytest.mark.parametrize("trainer", [CPOTrainer, DPOTrainer])
def test_trls_own_config_is_refused_and_ours_named(trainer, load, tmp_path):
    from trl import DPOConfig as TrlConfig

    for args, got in ((TrlConfig(str(tmp_path), **SETTINGS), r"trl\S*\.DPOConfig"), (None, "none")):
        with pytest.raises(InputError, match=f"args: got {got}; expected .* of gammapo.integrations.trl"):
            trainer(model=load(), args=args, train_dataset=Dataset.from_list(ROWS))


@pytest.mark.parametrize("config", [CPOConfig, DPOConfig])
def test_configs_are_read_from_a_command_line_as_trls_are(config, tmp_path):
    from transformers import HfArgumentParser

    line = ["--output_dir", str(tmp_path), "--use_cpu", "--bf16", "false", "--loss_type", "gamma_simpo"]
    (args,) = HfArgumentParser(config).parse_args_into_dataclasses([*line, "--loss_options", '{"tau": 2}'])
    assert (args.loss_name, args.loss_options) == ("gamma_simpo", {"tau": 2})
    assert HfArgumentParser(config).parse_args_into_dataclasses(line[:5])[0].loss_name


def test_loss_options_that_are_none_are_told(tmp_path):
    from gammapo.integrations.options import loss_of

    args = DPOConfig(str(tmp_path), **SETTINGS, loss_options="beta=2")
    with pytest.raises(InputError, match="loss_options: got 'beta=2'"):
        loss_of(args)


def test_metrics_of_ones_own_see_the_logits(load, tiny_tokenizer, tmp_path):
    args = DPOConfig(str(tmp_path), **SETTINGS, loss_type="dpo")
    rows = Dataset.from_list(ROWS)
    trainer = DPOTrainer(
        model=load(),
        args=args,
        train_dataset=rows,
        eval_dataset=rows,
        processing_class=tiny_tokenizer,
        compute_metrics=lambda found: {"width": found.predictions.shape[-1]},
    )
    assert trainer.evaluate()["eval_width"] == len(tiny_tokenizer)


@pytest.mark.parametrize("kind", ["cpo", "dpo"])
def test_logged_log_probs_are_of_all_ranks(kind, load, tiny_tokenizer, tmp_path, monkeypatch):
    trainer = make(kind, load, tiny_tokenizer, tmp_path, loss_type="gamma_simpo")
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.model.train()

    def logged():
        if kind == "cpo":
            return trainer.get_batch_loss_metrics(trainer.model, batch)[1]["logps/chosen"]
        trainer.compute_loss(trainer.model, batch)
        return trainer._metrics["train"]["logps/chosen"][-1]

    alone = logged()
    monkeypatch.setattr(trainer.accelerator, "gather", lambda own: torch.cat([own, torch.zeros_like(own)]))
    assert logged() == pytest.approx(alone / 2), "the other rank's are 0"
