"""RE-DPO: each label is replaced by the posterior that it is right."""

import math

import pytest
import torch

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("re_dpo", **options)(batch).per_pair.tolist()


P = 1 / (1 + math.exp(-1))
W = [0.9 * p / (0.9 * p + 0.1 * (1 - p)) for p in (P, 1 - P)]  # the posteriors at z = ±1, η = 0.9


def test_values_by_hand(both):
    """wℓ(z) + (1−w)ℓ(−z) = ℓ(z) + (1−w)z."""
    assert loss_of(both) == pytest.approx([L1 + (1 - W[0]), L_1 - (1 - W[1])])


def test_rate_of_right_labels_follows_the_posterior(both):
    out = losses.create("re_dpo", eta=0.9, ema=0.1)(both)
    assert out.clarity.tolist() == pytest.approx(W)
    assert out.state["eta"].item() == pytest.approx(0.9 * 0.9 + 0.1 * sum(W) / 2)


def test_the_state_is_used(both):
    loss = losses.create("re_dpo")
    state = {"eta": torch.tensor(0.5, dtype=torch.float64)}
    assert loss(both, state).clarity.tolist() == pytest.approx([P, 1 - P])


def test_certain_labels_give_dpo(both):
    assert loss_of(both, eta=1 - 1e-12) == pytest.approx([L1, L_1])
