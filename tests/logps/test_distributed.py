"""Two real processes (gloo): gradients under DDP and under FSDP2 equal those of one process.

FSDP2 gathers a module's weights only while that module runs, and only if it is called through the root. A
path that reached past the root, or a head replaced at the wrong place, fails here.
"""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from logps_families import make_model
from two_processes import PAIRS, loss_of

from gammapo.logps import reference_logps

SCRIPT = Path(__file__).parent / "two_processes.py"


def run_two(*arguments):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    world = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    command = [sys.executable, str(SCRIPT), *arguments]
    ranks = [
        subprocess.Popen(command, env={**world, "RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    for rank in ranks:
        errors = rank.communicate(timeout=240)[1]
        assert rank.returncode == 0, errors[-3000:]


def expected_gradients(tied):
    model = make_model("llama", tied=tied)
    loss_of(model, PAIRS).backward()
    return {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("tied", ["tied", "untied"])
@pytest.mark.parametrize("kind", ["ddp", "fsdp2"])
def test_two_processes_give_the_gradient_of_one(kind, tied, tmp_path):
    run_two(kind, tied, str(tmp_path / "out.pt"))
    found = torch.load(tmp_path / "out.pt")
    for name, gradient in expected_gradients(tied == "tied").items():
        torch.testing.assert_close(found["gradients"][name], gradient, rtol=1e-9, atol=1e-12)
    alone = reference_logps(make_model("llama", tied=tied == "tied"), PAIRS)
    torch.testing.assert_close(found["chosen"], alone.chosen)
