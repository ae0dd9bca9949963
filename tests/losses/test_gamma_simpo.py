"""Expected values are worked out by hand from the definition of the margins' limits."""

import math

import pytest
import torch

from gammapo import losses, margins
from gammapo.errors import InputError
from gammapo.types import PairLogps


def pairs(gaps, beta=10.0):
    """Answers of 4 tokens whose reward gaps β(s̄_w − s̄_l) are `gaps`."""
    gaps = torch.tensor(gaps, dtype=torch.float64)
    length = torch.full_like(gaps, 4)
    return PairLogps(
        chosen=4 * gaps / beta - 8,
        rejected=-torch.full_like(gaps, 8),
        chosen_length=length,
        rejected_length=length,
    )


def test_value_by_hand():
    """Gaps ±1e4, γ₀ = 3, τ = 3: γ = (6e/(1+e), 6/(1+e)); ℓ(1e4 − γ₁) = 0, ℓ(−1e4 − γ₂) = 1e4 + γ₂."""
    out = losses.create("gamma_simpo")(pairs([1e4, -1e4]))
    assert out.per_pair.tolist() == pytest.approx([0, 1e4 + 6 / (1 + math.e)])
    assert out.target_margins.tolist() == pytest.approx([6 * math.e / (1 + math.e), 6 / (1 + math.e)])


def test_defaults_are_the_published_ones():
    """β 10, γ₀/β 0.3, τ 3 for Qwen2.5-7B, so the mean margin is 3."""
    out = losses.create("gamma_simpo")(pairs([1.0, -2.0, 5.0, 0.3]))
    assert out.target_margins.mean().item() == pytest.approx(3)
    assert out.target_margins.tolist() == pytest.approx(
        margins.kl_optimal(out.reward_gaps, 3.0, 3.0).tolist()
    )


def test_large_tau_is_simpo():
    batch = pairs([1.0, -2.0, 5.0, 0.3])
    simpo = losses.create("simpo", beta=10, gamma_beta_ratio=0.3)(batch)
    ours = losses.create("gamma_simpo", tau=1e12)(batch)
    assert ours.loss.item() == pytest.approx(simpo.loss.item(), abs=1e-10)


def test_margins_are_constants_to_the_gradient():
    """∂ℓ(r − γ)/∂s_w = −σ(γ − r) β/|y_w|, with γ held."""
    batch = pairs([1.0, -2.0])
    chosen = batch.chosen.clone().requires_grad_()
    out = losses.create("gamma_simpo")(
        PairLogps(
            chosen=chosen,
            rejected=batch.rejected,
            chosen_length=batch.chosen_length,
            rejected_length=batch.rejected_length,
        )
    )
    out.per_pair.sum().backward()
    expected = -torch.sigmoid(out.target_margins - out.reward_gaps) * 10 / 4
    assert torch.allclose(chosen.grad, expected)


def test_window_holds_the_latest_gaps_in_order_and_starts_empty():
    loss = losses.create("gamma_simpo", group_size=3)
    assert loss.initial_state()["window"].shape == (0,)
    state = loss(pairs([1.0, 2.0])).state
    state = loss(pairs([3.0, 4.0]), state).state
    assert state["window"].tolist() == pytest.approx([2, 3, 4])


def test_margins_are_solved_over_the_step_and_the_latest_earlier_gaps():
    loss = losses.create("gamma_simpo", group_size=4)
    state = loss(pairs([9.0, 1.0, 2.0])).state
    out = loss(pairs([3.0, 4.0]), state)
    group = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    assert out.target_margins.tolist() == pytest.approx(
        margins.kl_optimal(group, 3.0, 3.0)[2:].tolist(), abs=1e-6
    )


def test_a_step_larger_than_the_group_is_solved_whole():
    batch = pairs([1.0, -2.0, 5.0, 0.3])
    small, none = (losses.create("gamma_simpo", group_size=size) for size in (2, 0))
    assert small(batch).target_margins.tolist() == none(batch).target_margins.tolist()
    assert none(batch).state["window"].shape == (0,)


def test_evaluation_leaves_the_state_as_it_was():
    loss = losses.create("gamma_simpo")
    state = loss(pairs([1.0, 2.0])).state
    before = state["window"].clone()
    loss(pairs([7.0, 8.0]), state)
    assert torch.equal(state["window"], before)


def test_bad_tau():
    with pytest.raises(InputError, match="tau"):
        losses.create("gamma_simpo", tau=0)


@pytest.mark.parametrize(("name", "gamma"), [("gamma_simpo", 3.0), ("gamma_dpo", 0.5)])
def test_margins_too_steep_to_be_solved_are_told_before_the_first_step(name, gamma):
    """γ₀/τ is 100 at most."""
    losses.create(name, gamma=gamma, tau=gamma / 50)
    with pytest.raises(InputError, match=r"loss\.tau: .* expected at least γ₀/100"):
        losses.create(name, gamma=gamma, tau=gamma / 101)
