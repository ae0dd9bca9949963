"""BCO: ℓ(βh_w − δ) + ℓ(δ − βh_l)."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("bco_pair", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """βh = (0.4, −0.6), δ = −0.1: both terms are ℓ(0.5)."""
    assert loss_of(pairs()) == pytest.approx([2 * math.log1p(math.exp(-0.5))])


def test_the_mean_runs_over_all_training_pairs(pairs):
    """Rewards (0.4, −0.6) and then (1, 1): the mean of all four is 0.45."""
    loss = losses.create("bco_pair")
    state = loss(pairs()).state
    state = loss(pairs([10.0], [10.0]), state).state
    assert state["mean"].item() == pytest.approx(0.45)
    assert state["count"].item() == 4


def test_without_shift(pairs):
    expected = math.log1p(math.exp(-0.4)) + math.log1p(math.exp(-0.6))
    assert loss_of(pairs(), shift=False) == pytest.approx([expected])
