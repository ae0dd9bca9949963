"""GPU checks: `make test-gpu` runs them all and ends them after 8 minutes; without CUDA each is skipped."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def cuda():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return torch.device("cuda")


@pytest.fixture
def qwen(cuda):
    """Makes a random Qwen2 on the GPU, in bfloat16 unless told otherwise."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    def make(dtype=torch.bfloat16, attention="sdpa", **settings):
        torch.manual_seed(0)
        shape = {
            "vocab_size": 1000,
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "tie_word_embeddings": False,
            "attn_implementation": attention,
        }
        return Qwen2ForCausalLM(Qwen2Config(**(shape | settings))).to(cuda, dtype).train()

    return make


def make_pairs(count, prompt=200, answer=300, vocabulary=1000, seed=0):
    """Pairs of ragged lengths, up to these."""
    import random

    from gammapo.types import TokenizedPair

    rng = random.Random(seed)

    def ids(most):
        return tuple(rng.randrange(10, vocabulary) for _ in range(rng.randint(most // 2, most)))

    return [
        TokenizedPair(id=f"p{index}", prompt=ids(prompt), chosen=ids(answer), rejected=ids(answer))
        for index in range(count)
    ]
