"""Dr. DPO: −β′ log mean e^{−ℓ/β′}."""

import math

import pytest
import torch

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def test_value_by_hand(both):
    """β′ = 1: e^{−ℓ(±1)} = σ(±1), whose mean is ½; −log ½ = log 2."""
    assert losses.create("dr_dpo", beta_prime=1)(both).loss.item() == pytest.approx(math.log(2))


def test_large_temperature_is_dpo(both):
    assert losses.create("dr_dpo", beta_prime=1e8)(both).loss.item() == pytest.approx(
        (L1 + L_1) / 2, abs=1e-6
    )


def test_weights_are_the_gradient(both):
    """dL/dz_i = −w_i/B, and dz/ds_w = β."""
    both.chosen.requires_grad_()
    out = losses.create("dr_dpo")(both)
    out.loss.backward()
    assert torch.allclose(both.chosen.grad, -0.1 * out.weights / 2)
