"""Generalised cross-entropy (1 − u^q)/q, by hand."""

import math

import pytest
import torch

from gammapo.losses.bounded import bounded_loss, bounded_weight

Z = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)


def q(value):
    return torch.tensor(value, dtype=torch.float64)


def test_values_by_hand():
    """u = ½: (1 − ½^0.5)/0.5 at q = ½, and 1 − u = ½ at q = 1."""
    assert bounded_loss(Z, q(0.5))[1].item() == pytest.approx(2 * (1 - math.sqrt(0.5)))
    assert bounded_loss(Z, q(1.0))[1].item() == pytest.approx(0.5)


def test_q_0_is_the_log_loss_exactly():
    assert torch.equal(bounded_loss(Z, q(0.0)), -torch.nn.functional.logsigmoid(Z))


def test_continuous_where_the_log_loss_takes_over():
    assert torch.allclose(bounded_loss(Z, q(2e-6)), bounded_loss(Z, q(0.0)), atol=1e-4)


def test_bounded_by_one_over_q_and_redescending():
    far = torch.tensor([-1e4], dtype=torch.float64)
    assert bounded_loss(far, q(0.7)).item() == pytest.approx(1 / 0.7)
    assert bounded_weight(far, q(0.7)).item() == 0
    assert bounded_weight(far, q(0.0)).item() == 1


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_weight_is_the_gradient(value):
    z = Z.clone().requires_grad_()
    bounded_loss(z, q(value)).sum().backward()
    assert torch.allclose(-z.grad, bounded_weight(Z, q(value)))
