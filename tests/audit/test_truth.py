"""Measures against the truth, by hand."""

import numpy as np
import pytest

from gammapo.audit import against_truth


def test_by_hand():
    """Said .1 .2 .3 .4, wrong are the 2nd and 4th. Of four (wrong, right) comparisons three are ordered
    rightly; precision is 1 at the first hit and 2/3 at the second; each bin holds one pair."""
    truth = against_truth(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, True, False, True]))
    assert truth.auroc == 0.75
    assert truth.average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert truth.calibration_error == pytest.approx((0.1 + 0.8 + 0.3 + 0.6) / 4)
    assert truth.brier == pytest.approx((0.01 + 0.64 + 0.09 + 0.36) / 4)
    assert (truth.flips, truth.rate, len(truth.bins)) == (2, 0.5, 4)


def test_equal_probabilities_are_one_bin_in_any_order():
    """A fifth is wrong and a fifth was said; where the wrong ones stand in the file changes nothing."""
    flipped = np.zeros(200, bool)
    flipped[:40] = True
    assert against_truth(np.full(200, 0.2), flipped).calibration_error == pytest.approx(0)
    said = np.repeat([0.1, 0.3], 100)
    first = against_truth(said, flipped)
    mixed = against_truth(said, np.concatenate([flipped[60:100], flipped[:60], flipped[100:]]))
    assert first.calibration_error == pytest.approx(mixed.calibration_error)


def test_nothing_wrong_has_no_ranking():
    truth = against_truth(np.array([0.1, 0.2]), np.array([False, False]))
    assert (truth.auroc, truth.average_precision) == (None, None)
