"""The pull by autograd, against formulas that are known."""

import math

import pytest

from gammapo import losses
from gammapo.losses.pull import pull_curve

GAPS = [-6.0, -1.0, 0.0, 2.0]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_dpo_pulls_with_sigma_of_minus_the_gap():
    curve = pull_curve(losses.create("dpo"), GAPS)
    assert curve.reward_gap == pytest.approx(GAPS, abs=1e-6)
    assert curve.pull == pytest.approx([sigmoid(-gap) / sigmoid(6) for gap in GAPS], rel=1e-3)


def test_a_coupled_loss_is_seen_in_company():
    """Dr. DPO's softmax over the step gives σ(r)σ(−r), largest at 0, up to what the pair does to the sum."""
    curve = pull_curve(losses.create("dr_dpo"), GAPS)
    expected = [sigmoid(gap) * sigmoid(-gap) / 0.25 for gap in GAPS]
    assert curve.pull == pytest.approx(expected, abs=0.02)


def test_a_late_starter_is_shown_after_its_start():
    """PLC-DPO turns contradicted pairs after its warm-up, which a run of 100,000 steps is still in."""
    late = pull_curve(losses.create("plc_dpo"), [-6.0, 1.0])
    waiting = pull_curve(losses.create("plc_dpo", total_steps=100_000), [-6.0, 1.0])
    assert late.pull[0] < 0.6 * waiting.pull[0]
    assert waiting.pull[0] == pytest.approx(1)


def test_gaps_are_met_where_rewards_are_not_linear():
    curve = pull_curve(losses.create("alphapo"), GAPS)
    assert curve.reward_gap == pytest.approx(GAPS, abs=0.05)
