"""SLiC: max(0, δ − (s_w − s_l)) − λ s_w."""

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("slic", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    """s = (−16, −26): gap 10 ≥ 1, so λ·16; flipped: 1 + 10, and λ·26."""
    assert loss_of(both, delta=1, lam=0.1) == pytest.approx([1.6, 13.6])


def test_without_cross_entropy_only_the_hinge_is_left(both):
    assert loss_of(both, delta=1, lam=0) == pytest.approx([0, 11])
