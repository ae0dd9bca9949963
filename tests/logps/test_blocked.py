"""Blocked attention equals SDPA pair by pair, values and gradients, for any cut into blocks."""

import pytest
import torch

from gammapo.logps import blocked
from gammapo.logps.attention import pair_attention, split_attention
from gammapo.logps.packing import Segment
from gammapo.logps.segments import PairSegments

SEGMENTS = (
    Segment(prompt=7, chosen=4, rejected=9),
    Segment(prompt=1, chosen=0, rejected=0),
    Segment(prompt=13, chosen=0, rejected=5),
    Segment(prompt=2, chosen=11, rejected=0),
)


def tensors(heads, key_heads, dtype=torch.float64, size=6):
    tokens = sum(s.prompt + s.chosen + s.rejected for s in SEGMENTS)
    draw = torch.Generator().manual_seed(0)
    # as a model has them: projected, cut into heads, turned
    shapes = [(1, tokens, n, size) for n in (heads, key_heads, key_heads)]
    made = [torch.randn(s, generator=draw, dtype=dtype).transpose(1, 2).requires_grad_() for s in shapes]
    return made, torch.randn(1, tokens, heads, size, generator=draw, dtype=dtype)


def gradients(attend, made, weight):
    out = attend(*made)
    return out, torch.autograd.grad((out * weight).sum(), made)


@pytest.mark.parametrize("block", [1, 3, 8, 128])
@pytest.mark.parametrize(("heads", "key_heads"), [(4, 2), (3, 3), (6, 1)])
def test_equals_attention_split_per_pair(monkeypatch, block, heads, key_heads):
    monkeypatch.setattr(blocked, "BLOCK", block)
    made, weight = tensors(heads, key_heads)
    expected = gradients(
        lambda q, k, v: split_attention(
            q, k, v, PairSegments(SEGMENTS), window=None, scaling=0.3, dropout=0.0, softcap=None
        ),
        made,
        weight,
    )
    found = gradients(
        lambda q, k, v: blocked.blocked_attention(q, k, v, PairSegments(SEGMENTS), scaling=0.3), made, weight
    )
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("autocast", [False, True])
def test_two_bytes_are_computed_in_four_and_given_back(autocast):
    made, weight = tensors(4, 2, torch.bfloat16)
    wide = [x.detach().float().requires_grad_() for x in made]

    def attend(q, k, v):
        return blocked.blocked_attention(q, k, v, PairSegments(SEGMENTS), scaling=0.3)

    expected = gradients(attend, wide, weight.float())
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        out, slopes = gradients(attend, made, weight)
    assert {x.dtype for x in (out, *slopes)} == {torch.bfloat16}
    torch.testing.assert_close(out, expected[0].bfloat16(), rtol=0, atol=0)
    torch.testing.assert_close(slopes, tuple(x.bfloat16() for x in expected[1]), rtol=1e-2, atol=1e-3)


def test_the_gradient_is_that_of_finite_differences(monkeypatch):
    monkeypatch.setattr(blocked, "BLOCK", 4)
    made, _ = tensors(2, 1, size=2)
    segments = PairSegments(SEGMENTS)
    assert torch.autograd.gradcheck(
        lambda q, k, v: blocked.blocked_attention(q, k, v, segments, scaling=0.5), made, fast_mode=True
    )


@pytest.mark.parametrize(
    ("options", "dtype", "used"),
    [
        ({}, torch.float32, True),
        ({"sliding_window": 24}, torch.float32, True),  # no narrower than the longest run, 7 + 9 and 13 + 5
        ({"sliding_window": 5}, torch.float32, False),
        ({"dropout": 0.1}, torch.float32, False),
        ({"softcap": 2.0}, torch.float32, False),
        ({}, torch.bfloat16, True),
    ],
)
def test_only_plain_attention_is_blocked(monkeypatch, options, dtype, used):
    from gammapo.logps import attention

    calls, real = [], attention.blocked_attention
    monkeypatch.setattr(attention, "blocked_attention", lambda *a, **k: calls.append(1) or real(*a, **k))
    made, _ = tensors(4, 2, dtype)
    pair_attention(torch.nn.Module(), *made, PairSegments(SEGMENTS), **options)
    assert bool(calls) is used
