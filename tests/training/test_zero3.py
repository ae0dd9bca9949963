"""DeepSpeed's ZeRO-3 over two processes on the CPU ends with the losses, ledger and weights of one process,
and goes on where a cut run stood. DeepSpeed is in no test extra: without it or a C++ compiler, skipped.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from tests.training.test_distributed import CODE, free_port
from tests.training.test_run import metrics, weights

from gammapo.training import checkpoints, parse_recipe, train

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("deepspeed") is None or not shutil.which("c++"),
        reason="DeepSpeed or a C++ compiler is missing",
    ),
]
# what `accelerate launch` makes of recipes/accelerate/zero3.yaml, without mixed precision
ZERO3 = {
    "ACCELERATE_USE_DEEPSPEED": "true",
    "ACCELERATE_MIXED_PRECISION": "no",
    "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "1",
    "ACCELERATE_DEEPSPEED_ZERO_STAGE": "3",
    "ACCELERATE_DEEPSPEED_ZERO3_INIT": "true",
    "ACCELERATE_DEEPSPEED_ZERO3_SAVE_16BIT_MODEL": "true",
    "DS_ACCELERATOR": "cpu",
}


def run_two(path):
    world = os.environ | ZERO3 | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    world |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(path)],
            env=world | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=900)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(error[-3000:] for error in errors)


def test_two_processes_equal_one_also_after_a_cut(recipe_dict, tmp_path):
    recipe = recipe_dict | {"loss": {"name": "gamma_dpo"}}
    recipe["training"] = recipe["training"] | {"optim": "sgd", "learning_rate": 0.05, "num_train_epochs": 1}
    one = train(parse_recipe(recipe | {"output": str(tmp_path / "one")}))
    path, two = tmp_path / "recipe.yaml", tmp_path / "two"
    path.write_text(yaml.safe_dump(recipe | {"output": str(two)}))
    run_two(path)
    newest = checkpoints.last_good(two)
    assert list(newest.glob("global_step*/*optim_states.pt")), "DeepSpeed wrote the checkpoint"

    def check():
        for mine, theirs in zip(metrics(one.folder), metrics(two), strict=True):
            if mine["step"] == 1:  # no gap yet: which of rounding errors is above zero says nothing
                mine["accuracy"] = theirs["accuracy"]
            assert mine == pytest.approx(theirs, abs=2e-5, rel=1e-4)
        for name, value in weights(one.folder).items():
            assert torch.allclose(value, weights(two)[name], atol=2e-6), name
        gaps = [pq.read_table(run / "ledger.parquet").to_pandas().reward_gap for run in (one.folder, two)]
        assert gaps[0].to_numpy() == pytest.approx(gaps[1].to_numpy(), abs=2e-5)

    check()
    shutil.rmtree(two / "model")
    shutil.rmtree(newest)
    note = json.loads((two / "run.json").read_text())
    (two / "run.json").write_text(json.dumps(note | {"status": "started"}))
    run_two(path)
    check()
