"""The step's measurement, run on a CPU with a tiny model: what it counts, not how fast it is."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import gpu_step
from pair_training_parts import work

TINY = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize("part", [None, *gpu_step.PARTS])
def test_a_step_is_measured_with_and_without_a_part(part):
    model = gpu_step.make_model(TINY, "cpu")
    pairs = gpu_step.draw_pairs(3, 300, seed=0)
    assert pairs == gpu_step.draw_pairs(3, 300, seed=0)
    with gpu_step.without(part):
        found = gpu_step.measure(model, pairs, 2)
    ids = [(pair.prompt, pair.chosen, pair.rejected) for pair in pairs]
    seconds = found["milliseconds"] / 1000
    assert found["tokens_per_second"] == pytest.approx(work.lengths(ids)[0] / seconds, rel=0.05)
    assert all(weight.grad is not None for weight in model.parameters())
    assert found["mfu"] is None
