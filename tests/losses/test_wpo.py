"""WPO: DPO weighed by the policy's own likelihood of the pair."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("wpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """s̄ = log ½ each: w = ¼; Δ = 2 log ½·(1 − 2) = 2 log 2."""
    batch = pairs([2 * math.log(0.5)], [4 * math.log(0.5)], reference=0.0)
    assert loss_of(batch, beta=1) == pytest.approx([0.25 * math.log(1.25)])


def test_certain_answers_give_dpo(pairs):
    batch = pairs([0.0], [0.0], reference=0.0)
    assert loss_of(batch) == pytest.approx([math.log(2)])


def test_no_gradient_through_the_weight(pairs):
    """d/ds_w = −w β σ(−z) only."""
    batch = pairs([2 * math.log(0.5)], [4 * math.log(0.5)], reference=0.0)
    batch.chosen.requires_grad_()
    losses.create("wpo", beta=1)(batch).loss.backward()
    assert batch.chosen.grad.item() == pytest.approx(-0.25 * 0.2)
