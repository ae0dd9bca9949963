"""SimPO with a margin of one's choice."""

import pytest
import torch

from gammapo import losses
from gammapo.errors import InputError


def test_fixed_is_simpo(pairs):
    batch = pairs([4.0, -6.0], [-6.0, 4.0])
    ours = losses.create("margin_simpo", margin="fixed", beta=2, gamma=1)(batch)
    assert torch.equal(ours.per_pair, losses.create("simpo", beta=2, gamma=1)(batch).per_pair)


def test_kl_optimal_is_gamma_simpo_over_several_steps(pairs):
    ours = losses.create("margin_simpo", beta=10, gamma=3, margin_options={"tau": 1.0}, group_size=3)
    theirs = losses.create("gamma_simpo", beta=10, gamma=3, tau=1.0, group_size=3)
    state, other = ours.initial_state(), theirs.initial_state()
    for seed in range(3):
        batch = pairs([4.0 - seed, -6.0], [-6.0, 4.0])
        a, b = ours(batch, state), theirs(batch, other)
        assert torch.allclose(a.per_pair, b.per_pair)
        state, other = a.state, b.state


def test_scores_reach_the_margin(pairs):
    """γ₀ = 1 at a score gap of 1: gaps 0.5 and −2 give 0.5 and 0."""
    out = losses.create("margin_simpo", margin="score_gap", beta=2, gamma=1)(
        pairs([4.0, 1.0], [-6.0, 0.0], score_gaps=[0.5, -2.0])
    )
    assert out.target_margins.tolist() == [0.5, 0.0]


def test_a_margin_that_needs_scores_makes_the_loss_need_them(pairs):
    loss = losses.create("margin_simpo", margin="score_gap", beta=2, gamma=1)
    assert loss.needs == {"lengths", "scores"}
    assert losses.create("margin_simpo").needs == {"lengths"}
    with pytest.raises(InputError, match="loss 'margin_simpo' needs chosen_score, which is missing"):
        loss(pairs([4.0], [-6.0]))


def test_errors_come_when_the_loss_is_made():
    with pytest.raises(InputError, match="unknown margin 'kl_optimum'; expected 'kl_optimal'"):
        losses.create("margin_simpo", margin="kl_optimum")
    with pytest.raises(InputError, match="no option 'tua'"):
        losses.create("margin_simpo", margin_options={"tua": 1.0})
    with pytest.raises(InputError, match="gamma_beta_ratio sets it"):
        losses.create("margin_simpo", margin_options={"gamma0": 1.0})


def test_an_option_of_the_margin_that_is_no_name_is_told():
    with pytest.raises(InputError, match=r"margin_options: got \{1: 2\}; expected names"):
        losses.create("margin_simpo", margin_options={1: 2})
