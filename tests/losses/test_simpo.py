"""Expected values are worked out in each test, by hand, from arXiv:2405.14734, eq. 6."""

import math

import pytest
import torch

from gammapo import losses
from gammapo.errors import InputError
from gammapo.types import PairLogps


def pair(chosen=-10.0, rejected=-30.0, n_w=5, n_l=10, dtype=torch.float64):
    one = lambda value: torch.tensor([value], dtype=dtype)  # noqa: E731
    return PairLogps(
        chosen=one(chosen), rejected=one(rejected), chosen_length=one(n_w), rejected_length=one(n_l)
    )


def test_value_by_hand():
    """s̄_w = −2, s̄_l = −3, Δ̄ = 1; β = 2, γ = 0.5·2 = 1; z = 2 − 1 = 1; ℓ(1) = log(1 + e⁻¹)."""
    out = losses.create("simpo", beta=2.0, gamma_beta_ratio=0.5)(pair())
    assert out.loss.item() == pytest.approx(math.log1p(math.exp(-1)), abs=1e-12)
    assert out.chosen_rewards.item() == -4
    assert out.rejected_rewards.item() == -6
    assert out.target_margins.item() == 1


def test_gamma_is_absolute_and_ratio_is_relative():
    by_gamma = losses.create("simpo", beta=10, gamma=3)(pair())
    by_ratio = losses.create("simpo", beta=10, gamma_beta_ratio=0.3)(pair())
    assert by_gamma.loss.item() == pytest.approx(by_ratio.loss.item(), abs=1e-12)


def test_both_margins_are_refused():
    with pytest.raises(InputError, match="exactly one"):
        losses.create("simpo", gamma=1, gamma_beta_ratio=0.5)


def test_unknown_option_names_the_nearest():
    with pytest.raises(InputError, match="'gamma_beta_ratio'"):
        losses.create("simpo", gamma_beta_ration=0.5)


def test_shape_mismatch_says_got_and_expected():
    good = pair()
    bad = PairLogps(
        chosen=good.chosen,
        rejected=torch.zeros(2),
        chosen_length=good.chosen_length,
        rejected_length=good.rejected_length,
    )
    with pytest.raises(InputError, match=r"rejected: shape \(2,\); expected \(1,\)"):
        losses.create("simpo")(bad)


def test_no_hidden_sft_term():
    """With Δ̄ = 0 and γ = 0 the loss is log 2 however unlikely the answers are."""
    out = losses.create("simpo", gamma=0)(pair(chosen=-500, rejected=-1000))
    assert out.loss.item() == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.parametrize("name", ["gamma", "gamma_beta_ratio"])
def test_a_margin_below_0_is_told_as_it_was_given(name):
    with pytest.raises(InputError, match=rf"loss\.{name}: got -1\.0; expected a number of at least 0"):
        losses.create("simpo", **{name: -1.0})
