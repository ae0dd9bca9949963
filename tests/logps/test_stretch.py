"""Rotary embeddings that stretch with the longest sequence: each pair as if it were read alone."""

import warnings

import pytest
import torch
from logps_families import SIZES, make_pairs
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

from gammapo.logps import pair_logps
from gammapo.logps.one_at_a_time import sequence_logps

LIMIT = 16
# within the limit; beyond it; just at it and one beyond; one answer on either side; either one single token
PAIRS = make_pairs((4, 4, 4), (20, 9, 4), (8, 8, 9), (10, 3, 15), (10, 20, 1), (16, 1, 3), (5, 12, 4))
LONGROPE = {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0] * 3, "long_factor": [4.0] * 3}
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0}


def make(kind, **more):
    torch.manual_seed(0)
    if kind == "dynamic":
        sizes = SIZES | {"max_position_embeddings": LIMIT}
        return LlamaForCausalLM(LlamaConfig(**sizes, rope_parameters=DYNAMIC, **more)).eval()
    sizes = {k: v for k, v in SIZES.items() if k != "head_dim"}
    sizes |= {"original_max_position_embeddings": LIMIT, "eos_token_id": 2}
    return Phi3ForCausalLM(Phi3Config(**sizes, rope_parameters=LONGROPE, **more)).eval()


def truth(model, pair, side):
    with torch.no_grad():
        model(
            input_ids=torch.tensor([[1]]), use_cache=False
        )  # dynamic scaling remembers the longest sequence
    return sequence_logps(model, pair.prompt, getattr(pair, side)).sum()


@pytest.mark.parametrize("path", ["shared", "padded"])
@pytest.mark.parametrize("kind", ["longrope", "dynamic"])
def test_each_pair_is_read_as_alone(kind, path):
    model = make(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = pair_logps(model, PAIRS, path=path)
    for side in ("chosen", "rejected"):
        expected = torch.stack([truth(model, pair, side) for pair in PAIRS])
        torch.testing.assert_close(getattr(found, side), expected, rtol=1e-5, atol=1e-4)
    assert "forward" not in vars(model.model.rotary_emb)
    # the test would see a forgotten length: beside a long sequence one of 8 tokens is another
    pair = PAIRS[0]
    ids = torch.tensor([[*pair.prompt, *pair.chosen, *[0] * LIMIT]])
    beside = model(input_ids=ids).logits[0, len(pair.prompt) - 1 :].log_softmax(-1)
    beside = sum(beside[i, token] for i, token in enumerate(pair.chosen))
    assert (beside - found.chosen[0]).abs() > 0.01


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_are_those_of_each_pair_alone(checkpointing):
    model = make("longrope").train()
    if checkpointing:
        model.gradient_checkpointing_enable()
    found = pair_logps(model, PAIRS, path="shared")
    (found.chosen - 2 * found.rejected).sum().backward()
    got = {name: weight.grad for name, weight in model.named_parameters()}
    model.zero_grad()
    for pair in PAIRS:
        (truth(model, pair, "chosen") - 2 * truth(model, pair, "rejected")).backward()
    for name, weight in model.named_parameters():
        torch.testing.assert_close(got[name], weight.grad, rtol=1e-4, atol=1e-3)


def test_pairs_within_the_limit_are_read_as_they_were(monkeypatch):
    model = make("longrope")
    calls = []
    model.model.rotary_emb.register_forward_hook(lambda *_: calls.append(1))
    pair_logps(model, PAIRS[:1])
    calls.clear()
    pair_logps(model, PAIRS[:1])
    assert len(calls) == 1


def test_an_embedding_that_cannot_be_kept_from_it_is_told():
    """One within a layer, which activation checkpointing runs again when the length is forgotten."""
    model = make("longrope")
    model.model.layers[0].rotary_emb = model.model.rotary_emb
    del model.model.rotary_emb
    model.model.__dict__["rotary_emb"] = model.model.layers[0].rotary_emb
    with pytest.warns(UserWarning, match="beyond 16 tokens the rotary embedding of Phi3ForCausalLM"):
        pair_logps(model, PAIRS)
