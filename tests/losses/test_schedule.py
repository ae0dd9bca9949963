"""0 in the warm-up, then linear up to 1."""

import pytest
import torch

from gammapo import losses
from gammapo.losses.schedule import strength


@pytest.mark.parametrize(("step", "expected"), [(0, 0), (19, 0), (20, 0), (25, 0.5), (30, 1), (100, 1)])
def test_values_by_hand(step, expected):
    """100 steps, warm-up 0.2, ramp 0.1."""
    assert strength(torch.tensor(step), 100, 0.2, 0.1).item() == pytest.approx(expected, abs=1e-6)


def test_without_a_ramp_it_is_a_step():
    assert [strength(torch.tensor(step), 10, 0.2, 0.0).item() for step in (1, 2)] == [0, 1]


def test_the_trainer_fills_in_the_length_of_the_run_but_keeps_the_users():
    assert losses.create("plc_dpo").planned(70).options.total_steps == 70
    assert losses.create("plc_dpo", total_steps=9).planned(70).options.total_steps == 9
    plain = losses.create("dpo")
    assert plain.planned(70) is plain
