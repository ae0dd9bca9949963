"""APO-down: σ(βh_w) + [1 − σ(βΔ)]."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("apo_down", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """βh_w = 0.4, βΔ = 1."""
    assert loss_of(pairs()) == pytest.approx([1 / (1 + math.exp(-0.4)) + 1 / (1 + math.e)])


def test_it_lowers_the_chosen_answer_once_the_gap_is_won(pairs):
    batch = pairs([4.0], [-600.0])
    batch.chosen.requires_grad_()
    losses.create("apo_down")(batch).loss.backward()
    assert batch.chosen.grad.item() > 0
