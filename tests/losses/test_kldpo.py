"""KLDPO: weights e^{(ℓ − mean ℓ)/τ}, capped."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("kldpo", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    """ℓ(−1) − ℓ(1) = 1, so the excess is ∓½; τ = 0.5: weights e^∓1."""
    assert loss_of(both, tau=0.5) == pytest.approx([L1 / math.e, L_1 * math.e])


def test_the_cap(both):
    """τ = 0.05: e^10 is held at 10."""
    assert loss_of(both, tau=0.05)[1] == pytest.approx(10 * L_1)


def test_large_temperature_is_dpo(both):
    assert loss_of(both, tau=1e9) == pytest.approx([L1, L_1])
