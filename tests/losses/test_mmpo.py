"""MMPO: the soft label q = σ(b(R_w − R_l))."""

import math

import pytest

from gammapo import losses
from gammapo.errors import InputError

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("mmpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """b·gap = log 3: q = ¾; ¾ℓ(1) + ¼ℓ(−1) = ℓ(1) + ¼."""
    assert loss_of(pairs(score_gaps=[math.log(3)])) == pytest.approx([L1 + 0.25])


def test_certain_scores_are_dpo(pairs):
    assert loss_of(pairs(score_gaps=[1.0]), b=1e4) == pytest.approx([L1])


def test_scores_against_the_label_turn_it_round(pairs):
    assert loss_of(pairs(score_gaps=[-1.0]), b=1e4) == pytest.approx([L_1])


@pytest.mark.parametrize("name", ["mmpo", "dpo_pro"])
def test_a_slope_at_which_scores_say_nothing_is_refused(name):
    """b = 0 makes every label a coin, the given ones too."""
    with pytest.raises(InputError, match=r"loss\.b: got 0"):
        losses.create(name, b=0)
