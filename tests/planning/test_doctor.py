"""The doctor finds what is there, and each known-bad combination is found and mended in words."""

import json

import pytest
from typer.testing import CliRunner

from gammapo.cli.app import app
from gammapo.planning.doctor import examine, known_bad, torch_pins


def test_this_machine(tmp_path):
    findings = {finding.what: finding for finding in examine(tmp_path / "not" / "yet")}
    assert findings["torch"].state == "ok"
    assert findings["disk"].found.endswith(str(tmp_path))
    assert all(finding.mend for finding in findings.values() if finding.state != "ok")


@pytest.mark.parametrize(
    ("versions", "environment", "mend"),
    [
        ({"transformers": "4.57.0"}, {}, "transformers>=5"),
        ({"trl": "0.29.1"}, {}, "trl>=1.16"),
        ({"deepspeed": "0.18.0"}, {"ACCELERATE_USE_FSDP": "true"}, "one --engine"),
        ({}, {"TOKENIZERS_PARALLELISM": "true", "WORLD_SIZE": "8"}, "false"),
        ({}, {"CUDA_LAUNCH_BLOCKING": "1"}, "unset"),
        ({}, {"NCCL_P2P_DISABLE": "1"}, "unset"),
    ],
)
def test_known_bad_combinations(versions, environment, mend):
    (finding,) = known_bad(versions.get, environment)
    assert finding.state == "bad"
    assert mend in finding.mend


def test_a_package_for_another_torch_is_bad():
    wants = {"vllm": ["torch==2.8.0", "numpy"], "torchvision": ["torch>=2.0"]}
    have = {"vllm": "0.11.0", "torch": "2.13.0+cpu", "torchvision": "0.28"}
    (finding,) = torch_pins(lambda name: wants.get(name, []), have.get)
    assert (finding.what, finding.state) == ("vllm", "bad")
    assert "wants torch==2.8.0, and torch 2.13.0+cpu is here" in finding.found
    assert "environment of its own" in finding.mend
    have["torch"] = "2.8.0+cu128"
    assert torch_pins(lambda name: wants.get(name, []), have.get) == []


def test_a_package_made_for_older_transformers_is_named_and_an_extras_pins_are_not():
    wants = {"vllm": ["transformers<5.21.0,>=5.16.1", 'torch==2.14.0; extra == "other"']}
    have = {"torch": "2.13.0", "transformers": "5.23.0", "vllm": "0.33.0"}
    (finding,) = torch_pins(lambda name: wants.get(name, []), have.get)
    assert "vllm" in finding.what
    assert "transformers 5.23.0 is here" in finding.found


def test_a_sound_environment_has_no_known_fault():
    assert known_bad({"transformers": "5.23.0", "trl": "1.16.0"}.get, {}) == []


def test_command(tmp_path):
    done = CliRunner().invoke(app, ["doctor", "--folder", str(tmp_path), "--format", "json"])
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["ready"] else 1)
    assert {"Python", "torch", "disk", "hub"} <= {finding["what"] for finding in told["findings"]}


@pytest.mark.parametrize(("native", "state"), [(True, "ok"), (False, "note")])
def test_a_gpu_that_only_emulates_bfloat16_is_said(monkeypatch, tmp_path, native, state):
    """Before Ampere, PyTorch answers yes unless it is asked for more than emulation."""
    import contextlib
    from types import SimpleNamespace

    import torch

    card = SimpleNamespace(name="Tesla T4", total_memory=16 << 30)
    for name, value in {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "device": contextlib.nullcontext,
        "get_device_properties": lambda index: card,
        "mem_get_info": lambda index: (16 << 30, 16 << 30),
        "is_bf16_supported": lambda including_emulation=True: native or including_emulation,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    (gpu,) = (finding for finding in examine(tmp_path) if finding.what == "GPU 0")
    assert gpu.state == state
    assert ("emulated" in gpu.mend) is not native
