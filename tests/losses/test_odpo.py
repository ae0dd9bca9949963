"""ODPO: ℓ(βΔ − α log(R_w − R_l))."""

import math

import pytest

from gammapo import losses

L1 = math.log1p(math.exp(-1))  # ℓ(1)


def loss_of(batch, **options):
    return losses.create("odpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """R_w − R_l = e: the offset is α = 1; z = 1 − 1 = 0."""
    assert loss_of(pairs(score_gaps=[math.e]), alpha=1) == pytest.approx([math.log(2)])


def test_scores_against_the_label_are_held_at_the_floor(pairs):
    out = losses.create("odpo", floor=0.01)(pairs(score_gaps=[-3.0]))
    assert out.target_margins.item() == pytest.approx(math.log(0.01))


def test_no_offset_is_dpo(pairs):
    assert loss_of(pairs(score_gaps=[2.0]), alpha=0) == pytest.approx([L1])
