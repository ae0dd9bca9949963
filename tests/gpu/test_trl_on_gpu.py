"""Throughput against TRL's own trainers on a GPU: the same pairs, each side's whole optimiser step."""

import pytest
from tests.gpu.beside_trl import TRAINERS, compare, save_random_qwen

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def model(cuda, tmp_path_factory):
    """A fifth of Qwen2.5-1.5B: its layers' shape, 6 of them; 0.4 billion parameters."""
    shape = {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 6,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    }
    return save_random_qwen(tmp_path_factory.mktemp("qwen"), **shape)


@pytest.mark.parametrize("trainer", TRAINERS)
def test_faster_than_trl_with_the_same_loss(trainer, model, record_property, tmp_path):
    found = compare(model, trainer, steps=8, log=tmp_path / "log", apart=True)
    for name in ("speedup", "pairs_per_second", "memory_ratio", "parity"):
        record_property(name, found[name])
    assert found["parity"]["loss"] < 0.05
    assert found["parity"]["gradient"] < 0.1  # two orders of bfloat16 rounding, over all weights
    assert found["speedup"]["median"] > 1
    assert found["memory_ratio"] < 1
