import numpy as np
import pytest

from gammapo import evaluation
from gammapo.benchmark.prompts import against, pack, unpack, win_rates

RNG = np.random.default_rng(0)


def row(gold, lengths):
    return {"gold_by_prompt": pack(gold), "length_by_prompt": pack(lengths)}


def test_packed_values_come_back_to_half_precision():
    values = RNG.random(512)
    assert unpack(pack(values)) == pytest.approx(values, abs=5e-4)
    assert len(pack(np.round(values * 10) / 10)) < 1000


def test_win_rates_are_those_of_the_evaluator():
    gold, other = RNG.integers(0, 4, (2, 200)) / 4
    lengths, other_lengths = RNG.integers(5, 40, (2, 200)).astype(float)
    found = against(row(gold, lengths), row(other, other_lengths))
    preferences = np.where(gold > other, 2.0, np.where(gold < other, 1.0, 1.5))
    controlled = evaluation.length_controlled(preferences, lengths, other_lengths, gamed=None)
    assert found is not None
    assert found["win_rate"] == pytest.approx((preferences - 1).mean())
    assert found["length_controlled_winrate"] == pytest.approx(controlled.length_controlled_winrate / 100)


def test_a_model_that_wins_by_length_alone_loses_its_lead():
    lengths = RNG.integers(5, 40, 400).astype(float)
    other = RNG.integers(5, 32, 400).astype(float)  # shorter on average
    found = win_rates(lengths / 50, lengths, other / 50, other)
    assert found["win_rate"] > 0.6
    assert found["length_controlled_winrate"] == pytest.approx(0.5, abs=0.08)


def test_rows_of_older_runs_say_nothing_and_few_prompts_have_no_length_control():
    assert against({"gold_reward": 0.5}, row(RNG.random(4), np.ones(4))) is None
    few = win_rates(RNG.random(4), np.ones(4), RNG.random(4), np.ones(4))
    assert few["length_controlled_winrate"] is None
