"""AlphaPO: ℓ(r_w − r_l − γ), r = β(1 − e^{−αs̄})/α."""

import math

import pytest

from gammapo import losses

L1 = math.log1p(math.exp(-1))  # ℓ(1)


def loss_of(batch, **options):
    return losses.create("alphapo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """α = β = 1: s̄ = (−log 2, −log 4) gives r = (−1, −3); γ = 1, so z = 1."""
    batch = pairs([-2 * math.log(2)], [-4 * math.log(4)], reference=0.0)
    assert loss_of(batch, alpha=1, beta=1, gamma=1) == pytest.approx([L1])


def test_alpha_near_0_is_simpo(pairs):
    simpo = losses.create("simpo", beta=2, gamma=1)(pairs()).loss.item()
    assert loss_of(pairs(), alpha=1e-9, beta=2, gamma=1) == pytest.approx([simpo])
    assert loss_of(pairs(), alpha=0, beta=2, gamma=1) == pytest.approx([simpo])


def test_the_published_default_margin_is_0_1(pairs):
    assert losses.create("alphapo")(pairs()).target_margins.item() == pytest.approx(0.1)
