"""Two real processes (gloo on the CPU) end with the weights, margins and ledger of one."""

import os
import socket
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from tests.training.test_run import metrics, weights

from gammapo.training import parse_recipe, train

CODE = """
import os, sys
import torch.distributed as dist
from gammapo.training import load_recipe, train
train(load_recipe(sys.argv[1]))
dist.barrier()
os._exit(0)  # taking gloo's threads apart can wait for a rank that has gone
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("loss", ["simpo", "gamma_simpo"])
def test_two_processes_equal_one(recipe_dict, tmp_path, loss):
    # plain SGD: Adam divides by the gradient's size, and so would magnify rounding where it is almost zero
    recipe = recipe_dict | {"loss": {"name": loss, "beta": 2}}
    recipe["training"] = recipe["training"] | {"optim": "sgd", "learning_rate": 0.05}
    one = train(parse_recipe(recipe | {"output": str(tmp_path / "one")}))
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe | {"output": str(tmp_path / "two")}))
    port = str(free_port())
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    environment |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, str(path)],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=500)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(errors)
    two = tmp_path / "two"
    for mine, theirs in zip(metrics(one.folder), metrics(two), strict=True):
        assert mine == pytest.approx(theirs, abs=2e-5, rel=1e-4)
    for name, value in weights(one.folder).items():
        assert torch.allclose(value, weights(two)[name], atol=2e-6), name
    ledgers = [pq.read_table(run / "ledger.parquet").to_pandas() for run in (one.folder, two)]
    assert list(ledgers[0].pair_id) == list(ledgers[1].pair_id)
    for column in ("reward_gap", "target_margin", "loss"):
        assert ledgers[0][column].to_numpy() == pytest.approx(ledgers[1][column].to_numpy(), abs=2e-5)
