"""Hölder-DPO: −(1+g)p^g + g p^{1+g}."""

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("holder_dpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """p = ½, g = 2: −3/4 + 2/8 = −½."""
    assert loss_of(pairs([0.0], [0.0]), g=2) == pytest.approx([-0.5])


def test_bounded_and_redescending(pairs):
    """p → 1: −(1+g) + g = −1; p → 0: 0, with no weight."""
    out = losses.create("holder_dpo")(pairs([1e5, -1e5], [0.0, 0.0]))
    assert out.per_pair.tolist() == pytest.approx([-1, 0])
    assert out.weights.tolist() == pytest.approx([0, 0])


def test_the_largest_weight_is_1(pairs):
    """p^g (1−p)² is largest at p = g/(g+2) = ½ for g = 2."""
    assert losses.create("holder_dpo")(pairs([0.0], [0.0])).weights.item() == pytest.approx(1)
