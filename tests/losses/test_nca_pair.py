"""NCA: ℓ(βh_w) + ½ℓ(−βh_w) + ½ℓ(−βh_l)."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("nca_pair", **options)(batch).per_pair.tolist()


def logistic(z):
    return math.log1p(math.exp(-z))


def test_value_by_hand(pairs):
    """βh = (0.4, −0.6)."""
    assert loss_of(pairs()) == pytest.approx([logistic(0.4) + 0.5 * logistic(-0.4) + 0.5 * logistic(0.6)])


def test_the_winner_has_a_finite_optimum(pairs):
    """σ(−u) = ½σ(u) at u = log 2: no gradient on h_w = 10 log 2."""
    batch = pairs([10 * math.log(2)], [0.0])
    batch.chosen.requires_grad_()
    losses.create("nca_pair")(batch).loss.backward()
    assert batch.chosen.grad.item() == pytest.approx(0, abs=1e-12)
