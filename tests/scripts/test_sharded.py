"""FSDP2's sharding (`fully_shard`) over two processes on the CPU gives the gradients of one process.

accelerate offers FSDP on accelerators only, so its part of the engine is not rehearsed here: the step is.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tests.scripts.sharded_step import step

ROOT = Path(__file__).parents[2]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("loss", ["simpo", "gamma_simpo"])
def test_a_sharded_step_is_the_whole_step(loss, tmp_path):
    saved = tmp_path / "gradients.pt"
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.scripts.sharded_step", loss, str(saved)],
            cwd=ROOT,
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=240)[1] for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], "\n".join(errors)
    sharded = torch.load(saved, weights_only=True)
    model, value = step(loss)
    assert sharded.pop("loss").item() == pytest.approx(value.item(), abs=1e-6)
    for name, weight in model.named_parameters():
        assert torch.allclose(sharded[name], weight.grad, atol=1e-5), name
