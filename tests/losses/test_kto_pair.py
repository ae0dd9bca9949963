"""KTO on pairs: two saturating values about a common point z₀."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("kto_pair", **options)(batch).per_pair.tolist()


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_value_by_hand_with_the_point_at_0(pairs):
    """The mean of (4, −6) is −1, so z₀ = 0: 1 − σ(0.4) + 1 − σ(0.6)."""
    assert loss_of(pairs()) == pytest.approx([2 - sigmoid(0.4) - sigmoid(0.6)])


def test_the_point_is_the_mean_log_ratio_of_the_step(pairs):
    """(8, 2): z₀ = 5; 1 − σ(0.1·3) + 1 − σ(0.1·3)."""
    assert loss_of(pairs([8.0], [2.0])) == pytest.approx([2 - 2 * sigmoid(0.3)])


def test_no_gradient_through_the_point(pairs):
    """dL/dh_w = −β σ'(β(h_w − z₀)) only."""
    batch = pairs([8.0], [2.0])
    batch.chosen.requires_grad_()
    losses.create("kto_pair")(batch).loss.backward()
    assert batch.chosen.grad.item() == pytest.approx(-0.1 * sigmoid(0.3) * sigmoid(-0.3))
