"""Two processes that share one model (FSDP2 over gloo): the first rank alone loads it, and the run's losses,
ledger, reference log-probs and final weights are those of one process."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from tests.training.test_distributed import free_port
from tests.training.test_run import metrics, weights

from gammapo.training import parse_recipe, train

RANK = Path(__file__).parent / "sharded_rank.py"


def run_two(recipe: Path, out: Path, *options: str) -> list[dict]:
    world = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    world |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    world |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_CPU_RAM_EFFICIENT_LOADING": "true"}
    ranks = [
        subprocess.Popen(
            [sys.executable, str(RANK), str(recipe), str(out), *options],
            env=world | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=500)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(error[-3000:] for error in errors)
    return [json.loads(Path(f"{out}.{rank}").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_two_sharded_processes_equal_one(recipe_dict, tmp_path):
    # plain SGD: Adam divides by the gradient's size, and so would magnify rounding where it is almost zero
    recipe = recipe_dict | {"loss": {"name": "gamma_dpo"}}
    recipe["training"] = recipe["training"] | {
        "optim": "sgd",
        "learning_rate": 0.05,
        "num_train_epochs": 1,
        "sample_every": 3,
        "samples": 2,
        "sample_tokens": 8,
    }
    one = train(parse_recipe(recipe | {"output": str(tmp_path / "one")}))
    path, two = tmp_path / "recipe.yaml", tmp_path / "two"
    path.write_text(yaml.safe_dump(recipe | {"output": str(two)}))
    first, second = run_two(path, tmp_path / "seen")
    assert (first["weights"], second["weights"]) == (True, False), "only the first rank reads the weights"
    assert first["model"] == second["model"] == "FSDPLlamaForCausalLM"
    assert first["shares"] == pytest.approx(0.5, abs=0.05), "a rank keeps its half of the gradients"
    for mine, theirs in zip(metrics(one.folder), metrics(two), strict=True):
        if mine["step"] == 1:  # no gap yet: which of rounding errors is above zero says nothing
            mine["accuracy"] = theirs["accuracy"]
        assert mine == pytest.approx(theirs, abs=2e-5, rel=1e-4)
    for name, value in weights(one.folder).items():
        assert torch.allclose(value, weights(two)[name], atol=2e-6), name
    ledgers = [pq.read_table(run / "ledger.parquet").to_pandas() for run in (one.folder, two)]
    assert list(ledgers[0].pair_id) == list(ledgers[1].pair_id)
    references = [pq.read_table(run / "reference.parquet").to_pandas() for run in (one.folder, two)]
    for side in ("chosen", "rejected"):
        assert references[0][side].to_numpy() == pytest.approx(references[1][side].to_numpy(), abs=1e-4)


@pytest.mark.slow
def test_in_bfloat16_log_probs_stay_exact_and_a_cut_run_ends_alike(recipe_dict, tmp_path):
    """accelerate has FSDP2 round what the model returns; and layers may lie in its checkpoint wrapper."""
    recipe = recipe_dict | {"training": recipe_dict["training"] | {"bf16": True, "num_train_epochs": 1}}
    path, whole, cut = tmp_path / "recipe.yaml", tmp_path / "whole", tmp_path / "cut"
    path.write_text(yaml.safe_dump(recipe | {"output": str(whole)}))
    first, _ = run_two(path, tmp_path / "seen", "checkpointing")
    assert first["logps"] == "torch.float32"
    assert first["shares"] == pytest.approx(0.5, abs=0.05)
    shutil.copytree(whole, cut)
    shutil.rmtree(cut / "model")
    newest = max((cut / "checkpoints").iterdir(), key=lambda folder: int(folder.name.split("-")[1]))
    shutil.rmtree(newest)
    note = json.loads((cut / "run.json").read_text())
    (cut / "run.json").write_text(json.dumps(note | {"status": "started"}))
    path.write_text(yaml.safe_dump(recipe | {"output": str(cut)}))
    run_two(path, tmp_path / "seen", "checkpointing")
    assert metrics(cut) == metrics(whole)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(cut)[name]), name
