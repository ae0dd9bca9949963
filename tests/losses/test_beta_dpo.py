"""β-DPO: β follows the mean kept gap, and a share of the pairs is left out."""

import math

import pytest
import torch

from gammapo import losses
from gammapo.errors import InputError

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("beta_dpo", **options)(batch).per_pair.tolist()


def test_beta_by_hand(pairs):
    """Gaps βΔ = (1, 3), mean 2, M = 0: β_b = 0.1·(1 + 0.6·2) = 0.22; z = (2.2, 6.6)."""
    out = losses.create("beta_dpo", keep=1)(pairs([10.0, 30.0], [0.0, 0.0]))
    assert out.per_pair.tolist() == pytest.approx([math.log1p(math.exp(-2.2)), math.log1p(math.exp(-6.6))])
    assert out.loss.item() == pytest.approx(out.per_pair.mean().item())


def test_moments_by_hand(pairs):
    """M = 0.1·2; S = 0.9·1 + 0.1·1, the spread of (1, 3) being 1."""
    state = losses.create("beta_dpo", keep=1)(pairs([10.0, 30.0], [0.0, 0.0])).state
    assert state["mean"].item() == pytest.approx(0.2)
    assert state["spread"].item() == pytest.approx(1.0)
    assert state["step"].item() == 1


def test_alpha_0_and_all_pairs_kept_is_dpo(both):
    assert loss_of(both, alpha=0, keep=1) == pytest.approx([L1, L_1])


def test_the_draw_is_applied_to_the_loss(pairs):
    """Nine ordinary pairs and one absurd one, of weight e^(−5e7): it is never drawn and has no gradient."""
    batch = pairs([1.0] * 9 + [1e5], [0.0] * 10)
    batch.chosen.requires_grad_()
    out = losses.create("beta_dpo")(batch)
    out.loss.backward()
    assert out.weights.count_nonzero().item() == 8
    assert batch.chosen.grad.count_nonzero().item() == 8
    assert batch.chosen.grad[-1].item() == 0


def test_a_seed_without_a_draw_is_an_error():
    with pytest.raises(InputError, match="seed: 3 has no effect, because keep is 1"):
        losses.create("beta_dpo", keep=1, seed=3)


def test_the_draw_follows_seed_and_step(pairs):
    batch = pairs([1.0] * 20, [0.0] * 20)
    loss = losses.create("beta_dpo", seed=1)
    first = loss(batch)
    assert torch.equal(first.weights, loss(batch).weights)
    assert not torch.equal(first.weights, loss(batch, first.state).weights)
    assert not torch.equal(first.weights, losses.create("beta_dpo", seed=2)(batch).weights)
