"""Conservative DPO: (1−ε)ℓ(z) + εℓ(−z) = ℓ(z) + εz."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("cdpo", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    """ℓ(±1) ± 0.1."""
    assert loss_of(both, epsilon=0.1) == pytest.approx([L1 + 0.1, L_1 - 0.1])


def test_no_noise_is_dpo(both):
    assert loss_of(both, epsilon=0) == pytest.approx([L1, L_1])


def test_no_pull_at_its_target_gap(pairs):
    """The weight σ(−z) − ε is 0 at z = log((1−ε)/ε) = log 9, here Δ = 10 log 9."""
    out = losses.create("cdpo", epsilon=0.1)(pairs([10 * math.log(9)], [0.0]))
    assert out.weights.item() == pytest.approx(0, abs=1e-12)
