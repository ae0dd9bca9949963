"""Figures as people read them, and the interval of a mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with its interval. `low` and `high` are None where one value says nothing of the spread."""

    mean: float
    low: float | None
    high: float | None
    count: int

    @property
    def holds_zero(self) -> bool:
        return self.low is None or self.high is None or self.low <= 0 <= self.high


def mean_interval(values: Sequence[float], *, level: float = 0.95) -> Interval:
    """Student's t interval of the mean of independent values (n − 1 degrees of freedom)."""
    from scipy import stats

    n = len(values)
    mean = float(np.mean(values))
    if n < 2:
        return Interval(mean=mean, low=None, high=None, count=n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * np.std(values, ddof=1) / math.sqrt(n))
    return Interval(mean=mean, low=mean - half, high=mean + half, count=n)


def number(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A figure with a fixed number of decimals and a true minus; None and NaN are a dash."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}"
    if float(text) == 0:
        text = text.lstrip("+-")
    return text.replace("-", "−")


def span(low: float | None, high: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """An interval, "0.41 to 0.52"; empty where either end is unknown."""
    if low is None or high is None:
        return ""
    return f"{number(low, digits, sign=sign)} to {number(high, digits, sign=sign)}"


def percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
