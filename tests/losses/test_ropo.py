"""ROPO: 4α/(1+α)²·[ℓ(z) + ασ(−z)]."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("ropo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """z = 0, α = 14: 56/225·(log 2 + 7)."""
    assert loss_of(pairs([0.0], [0.0]), alpha=14) == pytest.approx([56 / 225 * (math.log(2) + 7)])


def test_largest_weight_is_1_and_a_contradicted_pair_keeps_a_quarter(pairs):
    """The weight is largest where σ(−z) = (1+α)/(2α) = 15/28."""
    peak = -10 * math.log(15 / 13)
    out = losses.create("ropo", alpha=14)(pairs([peak, -1e5], [0.0, 0.0]))
    assert out.weights.tolist() == pytest.approx([1, 56 / 225])
