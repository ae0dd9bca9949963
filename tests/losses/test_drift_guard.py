"""The guard max(0, d − slack)² on the fall of a pair's mean log-prob."""

import dataclasses

import pytest
import torch

from gammapo.losses.drift_guard import drift, drift_guard


def test_value_by_hand(pairs):
    """h/|y| = (4/2, −6/4) = (2, −1.5): the mean rose by 0.25. (−4, −6): fell by ½(2 + 1.5) = 1.75."""
    assert drift(pairs()).tolist() == [-0.25]
    assert drift_guard(pairs(), 0.0).tolist() == [0]
    assert drift_guard(pairs([-4.0]), 0.25).tolist() == pytest.approx([1.5**2])


def test_a_flipped_label_does_not_move_it(pairs):
    """Neither its value nor its gradient on either answer."""
    batch = pairs([-4.0, 3.0], [-6.0, -20.0])
    flipped = dataclasses.replace(
        batch,
        chosen=batch.rejected,
        rejected=batch.chosen,
        chosen_length=batch.rejected_length,
        rejected_length=batch.chosen_length,
    )
    assert torch.equal(drift_guard(batch, 0.1), drift_guard(flipped, 0.1))


def test_it_pulls_both_answers_up(pairs):
    batch = pairs([-4.0], [-6.0])
    batch.chosen.requires_grad_()
    batch.rejected.requires_grad_()
    drift_guard(batch, 0.0).sum().backward()
    assert batch.chosen.grad.item() < 0
    assert batch.rejected.grad.item() < 0
