"""TRL's trainers with our losses: the same numbers as without TRL, ids, ledger, resume, and refusals."""

import pyarrow.parquet as pq
import pytest
import torch

from gammapo import data, losses
from gammapo.errors import InputError
from gammapo.types import PairLogps

pytest.importorskip("trl", reason="needs the package trl")
from datasets import Dataset

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


def test_resume_goes_on_with_state_and_ledger(load, tiny_tokenizer, tmp_path):
    settings = {"loss_type": "gamma_simpo", "save_strategy": "steps", "save_steps": 3, "beta": 2.0}
    whole = make("cpo", load, tiny_tokenizer, tmp_path / "whole", **settings)
    whole.train()
    cut = make("cpo", load, tiny_tokenizer, tmp_path / "whole", **settings)
    cut.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-3"))
    for name, weight in whole.model.named_parameters():
        assert torch.allclose(weight, dict(cut.model.named_parameters())[name], atol=1e-6), name
    a, b = whole.keeper.ledger.table().to_pandas(), cut.keeper.ledger.table().to_pandas()
    assert list(a.pair_id) == list(b.pair_id)
    assert a.target_margin.to_numpy() == pytest.approx(b.target_margin.to_numpy(), abs=1e-5)


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
