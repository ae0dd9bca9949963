"""Whole runs on a tiny model: the run folder, resume after a real SIGKILL, guards, refusals."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from gammapo import models
from gammapo.errors import InputError, RunError
from gammapo.training import Recipe, checkpoints, parse_recipe, run, train
from gammapo.training.prepare import planned, prepare

TRAIN = (
    "import sys, time; from gammapo.training import load_recipe, train\n"
    "slow = float(sys.argv[2])\n"
    "train(load_recipe(sys.argv[1]), on_step=lambda step, total: (print(step, flush=True), time.sleep(slow)))"
)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(next(iter(sorted((folder / "model").glob("*.safetensors")))))


def metrics(folder: Path) -> list[dict]:
    timed = {"pairs_per_second", "tokens_per_second"}
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key not in timed} for row in rows]


def test_run_folder(recipe_dict):
    result = train(parse_recipe(recipe_dict))
    folder = result.folder
    assert result.steps == 10  # 40 pairs, 8 a step, 2 epochs
    note = json.loads((folder / "run.json").read_text())
    assert note["status"] == "done"
    assert "γ = 0.6 absolute" in note["objective"]
    assert note["versions"]["torch"].startswith("2.")
    assert len(note["data_fingerprint"]) == 64
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["training"]["learning_rate"] == 1e-3
    rows = metrics(folder)
    assert [row["step"] for row in rows] == list(range(1, 11))
    assert rows[-1]["reward_gap"] > rows[0]["reward_gap"], "the loss must move the gap it is about"
    ledger = pq.read_table(folder / "ledger.parquet").to_pandas()
    assert len(ledger) == 80
    assert (ledger.groupby("pair_id").size() == 2).all()
    assert ledger["clarity"].isna().all(), "γ-SimPO has no notion of clarity"
    first = ledger[ledger.step == 1]
    assert first.reward_gap.mean() == pytest.approx(rows[0]["reward_gap"], abs=1e-5)
    assert models.load_model(folder / "model").config.vocab_size > 0
    assert models.load_tokenizer(folder / "model").chat_template


@pytest.mark.parametrize(("every", "steps"), [(3, [3, 6, 9, 10]), (100, [10])])
def test_the_last_step_is_logged_too(recipe_dict, every, steps):
    recipe_dict["training"]["logging_steps"] = every
    result = train(parse_recipe(recipe_dict))
    assert [row["step"] for row in metrics(result.folder)] == steps
    assert result.metrics["step"] == 10
    fine = train(
        parse_recipe(
            recipe_dict
            | {
                "output": recipe_dict["output"] + "-again",
                "training": recipe_dict["training"] | {"logging_steps": 1},
            }
        )
    )
    means = sum(row["accuracy"] for row in metrics(fine.folder)[-(10 % every or every) :]) / (10 % every)
    assert result.metrics["accuracy"] == pytest.approx(means)


def test_killed_run_resumes_to_the_same_losses_weights_and_ledger(recipe_dict, tmp_path):
    recipe_dict["training"] |= {"sample_every": 3, "samples": 2, "sample_tokens": 8}
    whole = train(parse_recipe(recipe_dict | {"output": str(tmp_path / "whole")}))
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict))
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(path), "0.2"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "5":  # a checkpoint lies behind, at step 4, and one step after it
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    folder = Path(recipe_dict["output"])
    assert json.loads((folder / "run.json").read_text())["status"] == "started"
    resumed = train(parse_recipe(recipe_dict))
    assert resumed.resumed_from == 4
    assert metrics(folder) == metrics(whole.folder)
    samples = [(run / "samples.jsonl").read_text() for run in (folder, whole.folder)]
    assert samples[0] == samples[1]
    for name, value in weights(whole.folder).items():
        assert torch.equal(value, weights(folder)[name]), name
    assert pq.read_table(folder / "ledger.parquet").equals(pq.read_table(whole.folder / "ledger.parquet"))


def test_a_corrupt_checkpoint_is_passed_over(recipe_dict, tmp_path):
    whole = train(parse_recipe(recipe_dict | {"output": str(tmp_path / "whole")}))
    broken = checkpoints.last_good(whole.folder)
    assert broken is not None
    (broken / "optimizer.pt").write_bytes(b"torn")
    note = json.loads((whole.folder / "run.json").read_text())
    (whole.folder / "run.json").write_text(json.dumps(note | {"status": "started"}))
    expected, before = weights(whole.folder), metrics(whole.folder)
    again = train(parse_recipe(recipe_dict | {"output": str(tmp_path / "whole")}))
    assert again.resumed_from == 8
    assert metrics(whole.folder) == before
    assert all(torch.equal(value, weights(whole.folder)[name]) for name, value in expected.items())


def test_a_run_that_needs_less_memory_goes_on_with_smaller_micro_batches(recipe_dict):
    """What is read at once never changes the result, so the run is the same run."""
    whole = train(parse_recipe(recipe_dict))
    newest = checkpoints.last_good(whole.folder)
    assert newest is not None
    (newest / "optimizer.pt").write_bytes(b"torn")
    note = json.loads((whole.folder / "run.json").read_text())
    (whole.folder / "run.json").write_text(json.dumps(note | {"status": "started"}))
    expected = weights(whole.folder)
    recipe_dict["training"]["tokens_per_batch"] = 24
    assert note["recipe"]["training"]["tokens_per_batch"] != 24
    again = train(parse_recipe(recipe_dict))
    assert again.resumed_from == 8
    for name, value in weights(whole.folder).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-4, msg=name)
    noted = json.loads((whole.folder / "run.json").read_text())["recipe"]["training"]["tokens_per_batch"]
    assert noted == yaml.safe_load((whole.folder / "recipe.yaml").read_text())["training"]["tokens_per_batch"]
    assert noted == 24


def test_a_finished_run_is_not_run_again(recipe_dict):
    first = train(parse_recipe(recipe_dict))
    started = time.monotonic()
    again = train(parse_recipe(recipe_dict))
    assert time.monotonic() - started < 0.5
    assert again == first


def test_a_finished_runs_model_that_has_gone_is_made_again(recipe_dict):
    first = train(parse_recipe(recipe_dict))
    weights = (first.model / "model.safetensors").read_bytes()
    log = (first.folder / "metrics.jsonl").read_text()
    shutil.rmtree(first.model)
    again = train(parse_recipe(recipe_dict))
    assert (again.model / "model.safetensors").read_bytes() == weights
    assert (again.steps, again.resumed_from) == (first.steps, first.steps)
    assert (first.folder / "metrics.jsonl").read_text() == log


def test_a_finished_run_is_not_that_of_other_data(recipe_dict, pair_file):
    first, lines = train(parse_recipe(recipe_dict)), pair_file.read_text().splitlines(keepends=True)
    row = json.loads(lines[3])
    lines[3] = json.dumps(row | {"chosen": row["rejected"], "rejected": row["chosen"]}) + "\n"
    pair_file.write_text("".join(lines))
    with pytest.raises(InputError, match=r"another run, which differs in data \(its content has changed\)"):
        train(parse_recipe(recipe_dict))
    lines[3] = json.dumps(row | {"source": "other bytes, the same pairs"}) + "\n"
    pair_file.write_text("".join(lines))
    assert train(parse_recipe(recipe_dict)) == first
    pair_file.unlink()
    assert train(parse_recipe(recipe_dict)) == first, "data that have gone say nothing against the run"


@pytest.mark.parametrize("config", ["", ":shipped"])
def test_a_finished_run_on_a_folder_of_data(recipe_dict, pair_file, tmp_path, monkeypatch, config):
    from gammapo.training import run_folder

    (tmp_path / "data").mkdir()
    pair_file = pair_file.rename(tmp_path / "data" / "train.jsonl")
    if config:
        listed = "---\nconfigs:\n- {config_name: shipped, data_files: train.jsonl}\n---\n"
        (tmp_path / "data" / "README.md").write_text(listed)
    recipe_dict["data"]["path"] = f"{tmp_path / 'data'}{config}"
    first = train(parse_recipe(recipe_dict))
    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "prepare", lambda recipe: pytest.fail("the bytes are the same"))
        assert train(parse_recipe(recipe_dict)) == first
    pair_file.write_text("".join(pair_file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match="its content has changed"):
        train(parse_recipe(recipe_dict))


def test_a_finished_run_on_a_mixture_whose_source_changes(recipe_dict, pair_file, tmp_path):
    (tmp_path / "mix.yaml").write_text(yaml.safe_dump({"sources": [{"path": pair_file.name}]}))
    recipe_dict["data"]["path"] = str(tmp_path / "mix.yaml")
    first = train(parse_recipe(recipe_dict))
    assert train(parse_recipe(recipe_dict)) == first
    pair_file.write_text("".join(pair_file.read_text().splitlines(keepends=True)[1:]))
    with pytest.raises(InputError, match="its content has changed"):
        train(parse_recipe(recipe_dict))


def test_a_refused_call_leaves_no_folder_and_its_correction_runs(recipe_dict, tiny_model_dir, monkeypatch):
    recipe_dict["output"] += "s/one"
    wanted = {"target_modules": ["foo"]}
    with monkeypatch.context() as patch:  # a model whose config lies elsewhere is known when it is loaded
        patch.setattr("gammapo.training.adapters.check_targets", lambda *args: None)
        recipe = parse_recipe(recipe_dict | {"lora": wanted})
    with pytest.raises(InputError, match=r"lora\.target_modules"):
        train(recipe)
    with pytest.raises(InputError, match="scaled loss"):
        train(parse_recipe(recipe_dict | {"model": {"path": str(tiny_model_dir), "dtype": "float16"}}))
    with pytest.raises(InputError, match="cannot be trained with here"):
        train(parse_recipe(recipe_dict | {"training": {"deepspeed": "nowhere.json"}}))
    assert not Path(recipe_dict["output"]).parent.exists()
    assert train(parse_recipe(recipe_dict)).steps == 10


def test_a_second_process_is_refused_and_a_killed_one_is_not_in_the_way(recipe_dict, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict))
    process = subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(path), "0.5"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    with pytest.raises(InputError, match="run: output: another process trains here"):
        train(parse_recipe(recipe_dict))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(train(parse_recipe(recipe_dict)).metrics) > 3
    assert [row["step"] for row in metrics(Path(recipe_dict["output"]))] == list(range(1, 11))
    assert not list(Path(recipe_dict["output"]).glob("*.lock"))


@pytest.mark.parametrize(
    ("told", "holds"),
    [
        ({}, True),
        ({"RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, False),  # accelerate will know the ranks, and nobody does yet
        ({"PMI_SIZE": "1"}, True),
    ],
)
def test_only_the_first_process_of_a_run_keeps_others_out(monkeypatch, told, holds):
    from gammapo.training import run

    for name in ("RANK", *run.MPI_SIZES):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert run._speaks_for_the_run() is holds


def test_lora_saves_an_adapter_and_leaves_the_base_alone(recipe_dict, tiny_model):
    result = train(parse_recipe(recipe_dict | {"lora": {"rank": 2}}))
    assert models.is_adapter(result.model)
    tuned, ids = models.load_model(result.model), torch.tensor([[1, 5, 9, 11]])
    assert not torch.allclose(tuned(ids).logits, tiny_model(ids).logits, atol=1e-4)


@pytest.mark.parametrize("loss", ["simpo", "dpo"])
def test_adapters_do_not_go_on_over_another_base(recipe_dict, tmp_path, monkeypatch, loss):
    base = tmp_path / "base"
    shutil.copytree(recipe_dict["model"]["path"], base)
    changes = {"model": {"path": str(base)}, "lora": {"rank": 2}, "loss": {"name": loss, "beta": 2}}
    recipe = parse_recipe(recipe_dict | changes)
    with monkeypatch.context() as patch:
        patch.setattr(run, "_save_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(recipe)
    right = (base / "model.safetensors").read_bytes()
    kept = load_file(base / "model.safetensors")
    save_file(
        {name: value * 1.01 for name, value in kept.items()}, base / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(InputError, match=r"differs in model \(its weights have changed\)"):
        train(recipe)
    (base / "model.safetensors").write_bytes(right)
    assert train(recipe).resumed_from == 10


def test_adapters_are_not_trained_on_top_of_an_adapter(recipe_dict, tmp_path):
    """They would be saved alone, and name the base below the first."""
    first = train(parse_recipe(recipe_dict | {"lora": {"rank": 2}}))
    second = recipe_dict | {"model": {"path": str(first.model)}, "output": str(tmp_path / "second")}
    with pytest.raises(InputError, match="is an adapter, and adapters trained on top of it"):
        train(parse_recipe(second | {"lora": {"rank": 2}}))
    assert not (tmp_path / "second").exists()
    whole = train(parse_recipe(second))
    assert not models.is_adapter(whole.model)
    with pytest.raises(InputError, match="4 bits"):
        models.load_model(first.model, four_bit=True)


def test_with_adapters_and_a_reference_the_weights_are_digested_once(recipe_dict, monkeypatch):
    from gammapo import logps
    from gammapo.logps import reference

    calls, real = [], logps.model_digest
    for place in (logps, reference):
        monkeypatch.setattr(place, "model_digest", lambda model: calls.append(1) or real(model))
    train(parse_recipe(recipe_dict | {"lora": {"rank": 2}, "loss": {"name": "dpo"}}))
    assert len(calls) == 1


def test_adapters_on_a_relative_base_load_from_any_folder(recipe_dict, tmp_path, monkeypatch):
    base = Path(recipe_dict["model"]["path"])
    monkeypatch.chdir(base.parent)
    result = train(parse_recipe(recipe_dict | {"lora": {"rank": 2}, "model": {"path": base.name}}))
    monkeypatch.chdir(tmp_path)
    assert models.load_model(result.model).config.vocab_size > 0


@pytest.mark.parametrize("length", [{"num_train_epochs": 0.5}, {"num_train_epochs": 1.5}, {"max_steps": 3}])
def test_a_run_killed_after_its_last_step_takes_no_further_one(recipe_dict, tmp_path, monkeypatch, length):
    constant = {"lr_scheduler_type": "constant", "warmup_ratio": 0.0, "save_steps": 1}
    recipe = recipe_dict | {"training": recipe_dict["training"] | constant | length}
    whole = train(parse_recipe(recipe))
    cut = parse_recipe(recipe | {"output": str(tmp_path / "cut")})

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run, "_save_model", killed)
        with pytest.raises(KeyboardInterrupt):
            train(cut)
    found = train(cut)
    assert (found.steps, found.resumed_from) == (whole.steps, whole.steps)
    ours, theirs = (models.load_model(one.model).state_dict() for one in (whole, found))
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    rows = [len((one.folder / "metrics.jsonl").read_text().splitlines()) for one in (whole, found)]
    assert rows == [whole.steps, whole.steps]


def test_a_run_killed_while_it_claims_its_folder_goes_on(recipe_dict, monkeypatch):
    folder = Path(recipe_dict["output"])

    def killed(*_):
        raise KeyboardInterrupt

    folder.mkdir()
    (folder / ".run.json.123.tmp").write_text("{")
    with monkeypatch.context() as patch:
        patch.setattr(Recipe, "as_yaml", killed)
        with pytest.raises(KeyboardInterrupt):
            train(parse_recipe(recipe_dict))
    assert (folder / "run.json").is_file()
    assert not (folder / "recipe.yaml").exists()
    train(parse_recipe(recipe_dict))
    assert "gamma_simpo" in (folder / "recipe.yaml").read_text()


def test_a_model_that_transformers_did_not_save_ends_no_run(recipe_dict, monkeypatch):
    """As with FSDP's sharded state dicts, of which it saves nothing at the end and says nothing."""
    from gammapo.training.trainer import PairTrainer

    save = PairTrainer.save_model

    def within_checkpoints(self, folder, _internal_call=False):
        if _internal_call:
            save(self, folder, _internal_call=True)

    monkeypatch.setattr(PairTrainer, "save_model", within_checkpoints)
    with pytest.raises(RunError, match="FULL_STATE_DICT"):
        train(parse_recipe(recipe_dict))
    assert json.loads((Path(recipe_dict["output"]) / "run.json").read_text())["status"] == "started"


def test_another_runs_folder_is_refused_and_the_difference_named(recipe_dict):
    train(parse_recipe(recipe_dict))
    other = recipe_dict | {"loss": {"name": "simpo", "beta": 2}}
    with pytest.raises(InputError, match=r"another run.*loss.name \('gamma_simpo' there, 'simpo' here\)"):
        train(parse_recipe(other))


def test_a_folder_with_other_files_is_refused(recipe_dict):
    folder = Path(recipe_dict["output"])
    folder.mkdir()
    (folder / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds no run"):
        train(parse_recipe(recipe_dict))
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_pairs(recipe_dict, monkeypatch):
    from gammapo import logps

    real, calls = logps.pair_logps, []

    def poisoned(model, pairs, **options):
        calls.append(1)
        out = real(model, pairs, **options)
        if len(calls) > 20:
            out.chosen.data[0] = float("nan")
        return out

    monkeypatch.setattr(logps, "pair_logps", poisoned)
    recipe = recipe_dict | {"loss": {"name": "simpo"}}
    with pytest.raises(RunError, match=r"the loss of pairs [0-9a-f]{16}.* is not a finite number"):
        train(parse_recipe(recipe))
    kept = checkpoints.last_good(Path(recipe["output"]))
    assert kept is not None
    assert all(torch.isfinite(value).all() for value in load_file(kept / "model.safetensors").values())


def test_scores_wanted_but_missing(recipe_dict, pair_file):
    rows = [json.loads(line) for line in pair_file.read_text().splitlines()]
    del rows[3]["chosen_score"], rows[3]["rejected_score"]
    pair_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    losses_with_scores = {"name": "odpo"}
    with pytest.raises(InputError, match="1 of 40 pairs have none"):
        train(parse_recipe(recipe_dict | {"loss": losses_with_scores}))


def test_a_scheduled_loss_learns_the_length_of_the_run(recipe_dict):
    result = train(parse_recipe(recipe_dict | {"loss": {"name": "gammapo", "beta": 2, "guard": 0}}))
    assert "fresh_steps = 5" in json.loads((result.folder / "run.json").read_text())["objective"]
    ledger = pq.read_table(result.folder / "ledger.parquet").to_pandas()
    assert ledger["clarity"].between(0, 1).all()


def test_a_margin_without_its_scores_is_told_before_the_run(recipe_dict, pair_file):
    rows = [json.loads(line) for line in pair_file.read_text().splitlines()]
    bare = [{key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows]
    pair_file.write_text("".join(json.dumps(row) + "\n" for row in bare))
    with pytest.raises(InputError, match="loss 'margin_simpo' needs scores, and 40 of 40 pairs have none"):
        train(parse_recipe(recipe_dict | {"loss": {"name": "margin_simpo", "margin": "score_gap"}}))
    assert not Path(recipe_dict["output"]).exists()


@pytest.mark.parametrize(("processes", "steps"), [(1, 6), (2, 5)])
def test_steps_that_are_left_out_are_none_of_the_first_epochs(recipe_dict, pair_file, processes, steps):
    """41 pairs, 8 a step: two processes cannot share the last one."""
    rows = pair_file.read_text().splitlines()
    pair_file.write_text("\n".join([*rows, rows[0].replace("Tell", "Say")]) + "\n")
    prepared = prepare(parse_recipe(recipe_dict | {"loss": {"name": "gammapo"}}))
    dataset = run._steps(prepared, SimpleNamespace(process_index=0, world_size=processes))
    assert len(dataset) == steps
    assert planned(prepared, len(dataset)).loss.options.fresh_steps == steps


@pytest.mark.parametrize("asked", [False, True])
def test_a_routers_own_loss_is_said_to_be_left_out(recipe_dict, tiny_model_dir, tmp_path, asked):
    from transformers import AutoTokenizer, MixtralConfig, MixtralForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(tiny_model_dir)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_local_experts": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": len(tokenizer)}
    MixtralForCausalLM(MixtralConfig(**sizes, **heads, output_router_logits=asked)).save_pretrained(
        tmp_path / "m"
    )
    tokenizer.save_pretrained(tmp_path / "m")
    recipe_dict["model"] = {"path": str(tmp_path / "m")}
    recipe_dict["training"]["max_steps"] = 1
    said: list[str] = []
    train(parse_recipe(recipe_dict), say=said.append)
    assert any("load-balancing loss" in one for one in said) == asked
