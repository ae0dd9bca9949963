"""DPO: ℓ(βΔ)."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("dpo", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    """βΔ = ±1: log(1 + e^∓1)."""
    assert loss_of(both) == pytest.approx([L1, L_1])


def test_the_policy_at_the_reference_has_loss_log_2(pairs):
    assert loss_of(pairs([0.0], [0.0])) == pytest.approx([math.log(2)])


def test_rewards_are_beta_times_log_ratios(pairs):
    out = losses.create("dpo", beta=0.5)(pairs())
    assert (out.chosen_rewards.item(), out.rejected_rewards.item()) == (2, -3)
