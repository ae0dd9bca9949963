"""Differences by hand: two seeds, four pairs of three prompts."""

import numpy as np
import pytest

from gammapo.errors import InputError
from gammapo.repair import outcome

GIVEN = [{"a": 1.0, "b": -1.0, "c": 0.0, "d": -2.0}, {"a": -1.0, "b": -1.0, "c": 2.0, "d": -2.0}]
BETTER = [{"a": 1.0, "b": 1.0, "c": 1.0, "d": -2.0}, {"a": 1.0, "b": -1.0, "c": 2.0, "d": 2.0}]
PROMPTS = {"a": "p", "b": "p", "c": "q", "d": "r"}


def test_accuracy_by_hand():
    """Seed 0: 1 + 0 + ½ + 0 = 0.375 against 0.75; seed 1: 0.25 against 0.75."""
    measured = outcome.accuracy({"as_given": GIVEN, "repaired": BETTER}, PROMPTS)
    assert measured.values["as_given"].mean(1).tolist() == [0.375, 0.25]
    (row,) = outcome.comparisons(measured, n_bootstrap=200, seed=0)
    assert row["difference"] == pytest.approx((0.375 + 0.5) / 2)
    assert row["per_seed"] == pytest.approx([0.375, 0.5])
    assert (row["units"], row["groups"], row["seeds"]) == (4, 3, 2)
    # Student's t with 1 degree of freedom: 12.706 · 0.125/√2 /√2
    low, high = row["ci95_over_seeds"]
    assert high - low == pytest.approx(2 * 12.706 * 0.0625, rel=1e-3)


def test_preferred_score_by_hand():
    scores = {"a": (3.0, 1.0), "b": (5.0, 0.0), "c": (2.0, 1.0), "d": (1.0, 1.0)}
    measured = outcome.preferred_score({"as_given": GIVEN[:1], "repaired": BETTER[:1]}, PROMPTS, scores)
    assert measured.values["as_given"].tolist() == [[3.0, 0.0, 1.5, 1.0]]
    assert measured.values["repaired"].tolist() == [[3.0, 5.0, 2.0, 1.0]]


def test_a_clear_gain_is_told_and_no_gain_is_not():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(3, 200))
    for gain, told in ((0.5, True), (0.0, False)):
        values = {"as_given": base, "repaired": base + gain + 0.5 * rng.normal(size=base.shape)}
        measured = outcome.Measured(metric="answer_score", values=values, groups=list(range(200)))
        (row,) = outcome.comparisons(measured, n_bootstrap=500, seed=0)
        low, high = row["ci95"]
        assert (low > 0 or high < 0) == told


def test_different_pairs_are_refused():
    with pytest.raises(InputError, match="different held-out pairs"):
        outcome.accuracy({"as_given": GIVEN, "repaired": [{"a": 1.0}]}, PROMPTS)
