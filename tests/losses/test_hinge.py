"""The hinge on DPO's reward: max(0, 1 − βΔ)."""

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("hinge", **options)(batch).per_pair.tolist()


def test_values_by_hand(both):
    assert loss_of(both) == pytest.approx([0, 2])


def test_weight_is_all_or_nothing(pairs):
    out = losses.create("hinge")(pairs([4.0, 9.0], [-5.0, -6.0]))
    assert out.weights.tolist() == [1, 0]
