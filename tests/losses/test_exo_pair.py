"""EXO: KL((q, 1−q) ‖ (1−ε, ε)) with q = σ(βΔ)."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("exo_pair", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """q = 1/2, ε = 0.1: ½ log(0.5/0.9) + ½ log(0.5/0.1)."""
    expected = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert loss_of(pairs([0.0], [0.0]), epsilon=0.1) == pytest.approx([expected])


def test_no_loss_at_the_smoothed_label(pairs):
    """q = 0.9 at βΔ = log 9."""
    assert loss_of(pairs([10 * math.log(9)], [0.0]), epsilon=0.1) == pytest.approx([0], abs=1e-12)


def test_bounded_for_a_contradicted_pair(pairs):
    """q → 0: the loss tends to −log ε."""
    assert loss_of(pairs([-1e5], [0.0]), epsilon=0.1) == pytest.approx([-math.log(0.1)])
