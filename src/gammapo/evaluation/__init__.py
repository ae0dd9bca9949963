"""Win rates and length-controlled win rates with honest intervals: pure functions over rows, numpy only."""

from gammapo.evaluation.bootstrap import (
    Difference,
    Interval,
    bootstrap_ci,
    holm,
    paired_difference,
)
from gammapo.evaluation.length_control import LengthControlled, length_controlled
from gammapo.evaluation.winrate import WinRate, win_rate

__all__ = [
    "Difference",
    "Interval",
    "LengthControlled",
    "WinRate",
    "bootstrap_ci",
    "holm",
    "length_controlled",
    "paired_difference",
    "win_rate",
]
