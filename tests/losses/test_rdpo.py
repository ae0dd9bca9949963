"""Robust DPO: [(1−ε)ℓ(z) − εℓ(−z)]/(1−2ε) = ℓ(z) − εz/(1−2ε)."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("rdpo", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    """ε = 0.1: ℓ(±1) ∓ 0.1/0.8."""
    assert loss_of(both, epsilon=0.1) == pytest.approx([L1 - 0.125, L_1 + 0.125])


def test_no_noise_is_dpo(both):
    assert loss_of(both, epsilon=0) == pytest.approx([L1, L_1])


def test_unbiased_under_flips(both):
    """(1−ε) L(z) + ε L(−z) = ℓ(z), DPO's loss of the clean label."""
    clean, flipped = loss_of(both, epsilon=0.3)
    assert 0.7 * clean + 0.3 * flipped == pytest.approx(L1)
