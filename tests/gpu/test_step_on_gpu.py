"""Steps on a GPU: memory within the estimate, FSDP2 as without it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tests.gpu.conftest import make_pairs
from tests.training.conftest import pair_file, recipe_dict  # noqa: F401

from gammapo import losses
from gammapo.logps import pair_logps
from gammapo.planning.memory import Setting, estimate_memory
from gammapo.planning.shape import shape_of

pytestmark = pytest.mark.gpu
BILLION_AND_A_HALF = {  # Qwen2.5-1.5B's shape
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


def step(model, optimiser, pairs):
    with torch.autocast("cuda", torch.bfloat16):
        logps = pair_logps(model, pairs)
    losses.create("simpo")(logps).loss.backward()
    optimiser.step()
    optimiser.zero_grad()


def test_a_1_5b_step_stays_within_the_estimate(qwen, record_property):
    model = qwen(dtype=torch.float32, **BILLION_AND_A_HALF)
    model.gradient_checkpointing_enable({"use_reentrant": False})
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-7)
    pairs = make_pairs(6, prompt=600, answer=600, vocabulary=150000)
    torch.cuda.reset_peak_memory_stats()
    for _ in range(2):  # the first makes the optimiser's state
        step(model, optimiser, pairs)
    setting = Setting(
        gpus=1,
        engine="ddp",
        tokens=sum(pair.tokens for pair in pairs),
        scored=sum(len(pair.chosen) + len(pair.rejected) for pair in pairs),
        checkpointing=True,
    )
    estimate, peak = estimate_memory(shape_of(model.config), setting), torch.cuda.max_memory_allocated()
    record_property("peak_gib", peak / 2**30)
    record_property("estimated_gib", estimate.total / 2**30)
    assert 0.6 * estimate.total < peak < 1.1 * estimate.total


def test_fsdp2_on_one_gpu_trains_as_without_it(cuda, recipe_dict, tmp_path):  # noqa: F811
    """Two runs of one recipe, plain and sharded over one GPU; SGD, so that rounding is not magnified."""
    root = Path(__file__).parents[2]
    recipe = recipe_dict | {}
    recipe["training"] = recipe["training"] | {"optim": "sgd", "learning_rate": 0.01, "bf16": True}
    rows = {}
    for name, launch in (
        ("plain", []),
        ("fsdp2", ["--config_file", str(root / "recipes/accelerate/fsdp2.yaml"), "--num_processes", "1"]),
    ):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(recipe | {"output": str(tmp_path / name)}))
        launched = ["-m", "accelerate.commands.launch", *launch] if launch else []
        command = [sys.executable, *launched, "-m", "gammapo", "train", str(path)]
        subprocess.run(command, check=True, env=os.environ | {"CUDA_VISIBLE_DEVICES": "0"}, timeout=300)
        rows[name] = [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
    for plain, sharded in zip(rows["plain"], rows["fsdp2"], strict=True):
        assert plain["reward_gap"] == pytest.approx(sharded["reward_gap"], abs=0.1)
        assert plain["loss"] == pytest.approx(sharded["loss"], rel=0.05)
