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


def test_the_table_is_not_made_anew_to_add_the_rows():
    model = tied_model()
    table = list(model.get_input_embeddings().weight.shape)
    chosen, rejected = shared.shared_logps(model, PAIRS)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as watched:
        (rejected - chosen).sum().backward()
    assert any(
        event.name == "aten::index_add_" and event.input_shapes[0] == table for event in watched.events()
    )
    whole = [event.name for event in watched.events() if event.input_shapes[:2] == [table, table]]
    assert not whole


@pytest.mark.parametrize("first_alone", [False, True])
def test_forward_passes_that_share_a_backward_pass_lose_nothing(first_alone):
    """Autograd sums the heads' tables before the first embedding's rows are there."""
    model, plain = tied_model(dtype=torch.float64), tied_model(dtype=torch.float64)

    def total(of):
        passes = [shared.shared_logps(of, pairs) for pairs in (PAIRS, PAIRS[1:])]
        return [(rejected - chosen).square().sum() for chosen, rejected in passes]

    got = total(model)
    if first_alone:
        got[0].backward(retain_graph=True)
    sum(got).backward()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "embedding_by_rows", lambda *_: nullcontext())
        expected = total(plain)
    ((2 if first_alone else 1) * expected[0] + expected[1]).backward()
    for (name, ours), theirs in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12, msg=name)


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
