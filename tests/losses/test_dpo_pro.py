"""DPO-PRO: a soft label and a penalty on the size of the gap."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("dpo_pro", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """q = ½, ρ = 0.04: √(0.04/4) = 0.1; ½ℓ(1) + ½ℓ(−1) + 0.1 = ℓ(1) + 0.5 + 0.1."""
    assert loss_of(pairs(score_gaps=[0.0]), rho=0.04) == pytest.approx([L1 + 0.6])


def test_it_is_the_worst_case_over_the_ball(pairs):
    """sup over q′ = q ± √(ρq(1−q)) of q′ℓ(z) + (1−q′)ℓ(−z)."""
    q, rho = 0.75, 0.04
    reach = math.sqrt(rho * q * (1 - q))
    worst = max((q + d) * L1 + (1 - q - d) * L_1 for d in (reach, -reach))
    assert loss_of(pairs(score_gaps=[math.log(3)]), rho=rho) == pytest.approx([worst])


def test_no_ball_is_mmpo(pairs):
    assert loss_of(pairs(score_gaps=[math.log(3)]), rho=0) == pytest.approx([L1 + 0.25])
