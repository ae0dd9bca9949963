import math

import pytest

from gammapo.report.numbers import duration, mean_interval, number, percent, span


def test_mean_interval_by_hand():
    """Values 1, 2, 3: mean 2, sd 1, t(0.975, 2) = 4.302653, half width 4.302653/√3 = 2.484138."""
    found = mean_interval([1.0, 2.0, 3.0])
    assert found.mean == 2
    assert found.low == pytest.approx(2 - 2.484138, abs=1e-6)
    assert found.high == pytest.approx(2 + 2.484138, abs=1e-6)
    assert found.holds_zero


def test_one_value_decides_nothing():
    found = mean_interval([5.0])
    assert (found.mean, found.low, found.high, found.count) == (5, None, None, 1)
    assert found.holds_zero


def test_clear_interval_does_not_hold_zero():
    assert not mean_interval([1.0, 1.1, 0.9]).holds_zero
    assert not mean_interval([-1.0, -1.1, -0.9]).holds_zero


@pytest.mark.parametrize(
    ("value", "digits", "sign", "text"),
    [
        (0.1234, 2, False, "0.12"),
        (-0.1234, 2, False, "−0.12"),
        (0.1234, 2, True, "+0.12"),
        (-0.001, 2, True, "0.00"),
        (0.0, 1, True, "0.0"),
        (None, 2, False, "–"),
        (math.nan, 2, False, "–"),
    ],
)
def test_number(value, digits, sign, text):
    assert number(value, digits, sign=sign) == text


def test_span_percent_duration():
    assert span(-0.5, 1.0, 1) == "−0.5 to 1.0"
    assert span(None, 1.0) == ""
    assert (percent(0.4), percent(0.125)) == ("40 %", "12.5 %")
    assert [duration(s) for s in (0.5, 99, 100, 3600)] == ["0.5 s", "99 s", "1 min 40 s", "1 h 0 min"]
