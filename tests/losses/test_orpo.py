"""ORPO: −s̄_w + λℓ(log odds ratio)."""

import math

import pytest
import torch

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("orpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """p_w = 1/2, odds 1; p_l = 1/4, odds 1/3; log odds ratio log 3; ℓ(log 3) = log(4/3)."""
    batch = pairs([2 * math.log(0.5)], [4 * math.log(0.25)], reference=0.0)
    assert loss_of(batch, lam=0.1) == pytest.approx([math.log(2) + 0.1 * math.log(4 / 3)])
    assert losses.create("orpo")(batch).reward_gaps.item() == pytest.approx(math.log(3))


def test_no_penalty_is_fine_tuning(pairs):
    assert loss_of(pairs(), lam=0) == pytest.approx([8])


def test_a_certain_answer_stays_finite(pairs):
    out = losses.create("orpo")(pairs([0.0, -8.0], [-8.0, 0.0], reference=0.0))
    assert torch.isfinite(out.per_pair).all()
