import numpy as np
import pytest

from gammapo import evaluation
from gammapo.errors import InputError


def test_hand_computed_values():
    """Scores 1, 0, 0.5, 0.75 have mean 0.5625; their squared deviations sum to 0.546875, so the sample
    deviation is sqrt(0.546875 / 3) = 0.426956 and the standard error half of it, in points 21.3478."""
    result = evaluation.win_rate([2, 1, 1.5, 1.75])
    assert result.win_rate == pytest.approx(56.25)
    assert result.standard_error == pytest.approx(21.3478, abs=1e-4)
    assert (result.n_wins, result.n_wins_base, result.n_draws, result.n_total) == (2, 1, 1, 4)
    assert result.discrete_win_rate == pytest.approx(62.5)


def test_nulls_enter_nothing_and_zero_is_a_draw():
    result = evaluation.win_rate([None, 2, float("nan"), 0])
    assert (result.n_total, result.n_unjudged, result.n_draws) == (2, 2, 1)
    assert result.win_rate == 75


@pytest.mark.parametrize("bad", [2.5, 0.5, -1, float("inf")])
def test_a_preference_outside_is_refused_with_its_row(bad):
    with pytest.raises(InputError, match="line 2: preference: 1 of 3 lie outside"):
        evaluation.win_rate([1, bad, 2])


@pytest.mark.parametrize("empty", [[], [None, None]])
def test_nothing_judged_is_refused(empty):
    with pytest.raises(InputError, match="no row has a preference"):
        evaluation.win_rate(empty)


def test_replicate_counts_rows_as_often_as_they_were_drawn():
    result = evaluation.win_rate([2, 1, None])
    rates = result.replicate(np.array([[2.0, 1, 0], [0, 1, 2], [0, 0, 3]]))
    assert rates[:2] == pytest.approx([200 / 3, 0])
    assert np.isnan(rates[2])  # only the unjudged row was drawn


def test_all_real_files_give_the_leaderboards_numbers(annotation_files, evaluated, published):
    assert len(annotation_files) == 12
    for name in annotation_files:
        result = evaluated(name)
        row = published[name]
        for key in ("win_rate", "standard_error", "discrete_win_rate"):
            assert result.as_dict()[key] == pytest.approx(float(row[key]), abs=1e-9), (name, key)
        counts = ["n_wins", "n_wins_base", "n_draws", "n_total"]
        if result.win_rate.n_total == 805:  # published lengths are over all outputs, judged or not
            counts.append("avg_length")
        for key in counts:
            assert result.as_dict()[key] == int(row[key]), (name, key)
