"""A tied embedding's gradient comes as rows, and nothing else about a step changes."""

from contextlib import nullcontext

import pytest
import torch
from logps_families import make_model, make_pairs
from torch.profiler import ProfilerActivity, profile

from gammapo.logps import shared
from gammapo.logps.support import prepare

PAIRS = make_pairs((7, 5, 9), (30, 1, 14), (2, 12, 1))
SPREAD = "aten::embedding_dense_backward"


def tied_model(**options):
    model = make_model("llama", tied=True, **options)
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert prepare(model) is None
    return model


def two_micro_batches(model):
    """The gradients of two batches summed, and the names of the operations that made them."""
    model.zero_grad()
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        for pairs in (PAIRS, PAIRS[1:]):
            chosen, rejected = shared.shared_logps(model, pairs)
            torch.nn.functional.softplus((rejected - chosen) / 10).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return gradients, {event.key for event in watched.key_averages()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("padding", [None, PAIRS[0].prompt[0]])
def test_every_gradient_is_the_same_to_the_bit_and_dense(padding, dtype, monkeypatch):
    model = tied_model(dtype=dtype)
    model.get_input_embeddings().padding_idx = padding
    got, ran = two_micro_batches(model)
    monkeypatch.setattr(shared, "embedding_by_rows", lambda *_: nullcontext())
    expected, ran_before = two_micro_batches(model)
    assert SPREAD in ran_before
    assert SPREAD not in ran
    assert all(gradient.layout == torch.strided for gradient in got.values())
    assert got.keys() == expected.keys()
    assert all(torch.equal(got[name], expected[name]) for name in expected)
    assert "forward" not in vars(model.get_input_embeddings())


def test_in_half_precision_it_is_near(monkeypatch):
    model = tied_model(dtype=torch.bfloat16)
    got, _ = two_micro_batches(model)
    monkeypatch.setattr(shared, "embedding_by_rows", lambda *_: nullcontext())
    expected, _ = two_micro_batches(model)
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, rtol=2e-2, atol=2e-2, msg=name)


def test_a_weight_of_its_own_keeps_its_dense_gradient():
    model = make_model("llama", tied=False)
    assert prepare(model) is None
    gradients, ran = two_micro_batches(model)
    assert SPREAD in ran
    assert gradients["model.embed_tokens.weight"].layout == torch.strided


def test_a_frozen_table_gets_no_gradient():
    model = tied_model()
    model.get_input_embeddings().weight.requires_grad_(False)
    gradients, ran = two_micro_batches(model)
    assert "model.embed_tokens.weight" not in gradients
    assert SPREAD not in ran


def test_where_the_head_gives_logits_the_gradient_stays_dense():
    model = tied_model()
    model.get_output_embeddings().forward = model.get_output_embeddings().forward  # replaced by someone
    gradients, ran = two_micro_batches(model)
    assert SPREAD in ran
    assert gradients["model.embed_tokens.weight"].layout == torch.strided
