"""RE-SimPO: each label is replaced by the posterior that it is right."""

import math

import pytest
import torch

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("re_simpo", **options)(batch).per_pair.tolist()


P = 1 / (1 + math.exp(-1))
W = [0.9 * p / (0.9 * p + 0.1 * (1 - p)) for p in (P, 1 - P)]  # the posteriors at z = ±1, η = 0.9


def test_values_by_hand(simple):
    """wℓ(z) + (1−w)ℓ(−z) = ℓ(z) + (1−w)z."""
    assert loss_of(simple, beta=1, gamma=0) == pytest.approx([L1 + (1 - W[0]), L_1 - (1 - W[1])])


def test_rate_of_right_labels_follows_the_posterior(simple):
    out = losses.create("re_simpo", beta=1, gamma=0, eta=0.9, ema=0.1)(simple)
    assert out.clarity.tolist() == pytest.approx(W)
    assert out.state["eta"].item() == pytest.approx(0.9 * 0.9 + 0.1 * sum(W) / 2)


def test_the_state_is_used(simple):
    loss = losses.create("re_simpo", beta=1, gamma=0)
    state = {"eta": torch.tensor(0.5, dtype=torch.float64)}
    assert loss(simple, state).clarity.tolist() == pytest.approx([P, 1 - P])


@pytest.fixture
def simple(pairs):
    """Δ̄ = ±1."""
    return pairs([4.0, -4.0], [0.0, 0.0], n_w=4.0)


def test_certain_labels_without_a_margin_give_simpo(pairs):
    simpo = losses.create("simpo", beta=2, gamma=0)(pairs()).per_pair.tolist()
    assert loss_of(pairs(), beta=2, gamma=0, eta=1 - 1e-12) == pytest.approx(simpo)


def test_the_margin_stands_against_either_order(pairs):
    """Δ̄ = 0: SimPO's loss is the same for both orders whatever γ, so p = ½ and w is η itself."""
    out = losses.create("re_simpo", beta=1, gamma=1, eta=0.8)(pairs([0.0], [0.0], n_w=4.0))
    assert out.clarity.item() == pytest.approx(0.8)
    assert out.per_pair.item() == pytest.approx(math.log(2))


def test_the_belief_of_a_pair_and_of_its_exchange_sum_to_one(pairs):
    """Equation 2 of arXiv:2509.24159 with a margin, at η so that the posterior is p itself."""
    loss, even = losses.create("re_simpo", beta=2, gamma=1.5), {"eta": torch.tensor(0.5, dtype=torch.float64)}
    p = loss(pairs([4.0], [0.0], n_w=4.0), even).clarity.item()
    exchanged = loss(pairs([-4.0], [0.0], n_w=4.0), even).clarity.item()
    assert p + exchanged == pytest.approx(1)
    against, along = math.log1p(math.exp(3.5)), math.log1p(math.exp(-0.5))  # ℓ(−2 − 1.5), ℓ(2 − 1.5)
    assert p == pytest.approx(1 / (1 + math.exp(along - against)))


def test_the_weight_is_the_pull_on_the_gap(pairs):
    batch = pairs([4.0], [0.0], n_w=4.0)
    batch.chosen.requires_grad_()
    out = losses.create("re_simpo", beta=2, gamma=1.5)(batch)
    (pull,) = torch.autograd.grad(out.per_pair.sum(), batch.chosen)
    assert -pull.item() * 4 / 2 == pytest.approx(out.weights.item())  # the gap is β · chosen / 4
