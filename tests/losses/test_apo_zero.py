"""APO-zero: [1 − σ(βh_w)] + σ(βh_l)."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("apo_zero", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """βh = (0.4, −0.6)."""
    assert loss_of(pairs()) == pytest.approx([1 / (1 + math.exp(0.4)) + 1 / (1 + math.exp(0.6))])


def test_bounded_by_2(pairs):
    assert loss_of(pairs([-1e5], [1e5])) == pytest.approx([2])
