"""The tiled head against log_softmax, in values and gradients, with every option."""

import itertools

import pytest
import torch

from gammapo.logps.head import HeadOptions, _hands_out_sums, token_logps

HIDDEN, VOCABULARY, ROWS = 5, 23, 7


def inputs(dtype=torch.float64, bias=True):
    draw = torch.Generator().manual_seed(0)
    hidden = torch.randn(ROWS, HIDDEN, generator=draw, dtype=dtype, requires_grad=True)
    weight = torch.randn(VOCABULARY, HIDDEN, generator=draw, dtype=dtype, requires_grad=True)
    offset = torch.randn(VOCABULARY, generator=draw, dtype=dtype, requires_grad=True) if bias else None
    targets = torch.tensor([0, 22, 11, 11, 5, 0, 13])
    return hidden, weight, offset, targets


def plain(hidden, weight, bias, targets, cap):
    logits = torch.nn.functional.linear(hidden, weight, bias)
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    return logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0]


@pytest.mark.parametrize(
    ("tile", "keep", "cap", "bias"),
    itertools.product([1, 6, 23, 64], [0, 1 << 20], [None, 1.5], [True, False]),
)
def test_values_and_gradients(tile, keep, cap, bias):
    hidden, weight, offset, targets = inputs(bias=bias)
    upstream = torch.linspace(-1, 2, ROWS, dtype=torch.float64)
    wanted = [x for x in (hidden, weight, offset) if x is not None]
    expected = torch.autograd.grad(plain(hidden, weight, offset, targets, cap) @ upstream, wanted)
    options = HeadOptions(tile=tile, keep_bytes=keep, softcap=cap)
    values = token_logps(hidden, weight, offset, targets, options)
    torch.testing.assert_close(values, plain(hidden, weight, offset, targets, cap))
    for found, gradient in zip(torch.autograd.grad(values @ upstream, wanted), expected, strict=True):
        torch.testing.assert_close(found, gradient)


def test_huge_logits_do_not_overflow():
    hidden = torch.tensor([[1e4], [-1e4]])
    weight = torch.tensor([[1.0], [0.0], [-1.0]])
    values = token_logps(hidden, weight, None, torch.tensor([0, 0]), HeadOptions(tile=1))
    assert values.tolist() == [0.0, -2e4]


def test_a_device_that_cannot_hand_out_sums_is_told():
    assert not _hands_out_sums(torch.device("cpu"), torch.bfloat16)


def test_only_what_needs_a_gradient_gets_one():
    hidden, weight, _, targets = inputs(bias=False)
    token_logps(hidden, weight.detach(), None, targets).sum().backward()
    assert hidden.grad is not None
    frozen = token_logps(hidden.detach(), weight.detach(), None, targets)
    assert not frozen.requires_grad


def test_half_precision_sums_in_float32():
    hidden, weight, _, targets = inputs(torch.bfloat16, bias=False)
    values = token_logps(hidden, weight, None, targets, HeadOptions(tile=4))
    assert values.dtype == torch.float32
    exact = plain(hidden.double(), weight.double(), None, targets, None)
    torch.testing.assert_close(values.double(), exact, rtol=2e-2, atol=2e-2)
    values.sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.bfloat16


def test_autocast_computes_in_its_dtype_and_returns_gradients_in_the_weights_dtype():
    hidden, weight, _, targets = inputs(torch.float32, bias=False)
    with torch.autocast("cpu", torch.bfloat16):
        values = token_logps(hidden, weight, None, targets)
    assert values.dtype == torch.float32
    exact = plain(hidden.bfloat16().double(), weight.bfloat16().double(), None, targets, None)
    torch.testing.assert_close(values.double(), exact, rtol=2e-2, atol=2e-2)
    values.sum().backward()
    assert weight.grad is not None
    assert weight.grad.dtype == torch.float32


def test_a_second_backward_pass_over_kept_logits_gives_the_same_gradient():
    hidden, weight, _, targets = inputs(bias=False)
    total = token_logps(hidden, weight, None, targets).sum()
    first = torch.autograd.grad(total, [hidden, weight], retain_graph=True)
    second = torch.autograd.grad(total, [hidden, weight])
    torch.testing.assert_close(second, first)
