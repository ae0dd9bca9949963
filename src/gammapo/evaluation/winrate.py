"""The raw win rate of a model against a reference, from graded preferences."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammapo.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """A win rate in points (0 to 100) with its standard error over instructions.

    `n_total` counts judged rows; `n_unjudged` the null ones, which enter nothing. `scores` (n,) is
    `preference − 1` in [0, 1] with NaN where unjudged, kept so that the rate can be bootstrapped.
    """

    win_rate: float
    standard_error: float
    n_wins: int
    n_wins_base: int
    n_draws: int
    n_total: int
    discrete_win_rate: float
    n_unjudged: int = 0
    scores: Array = field(repr=False, compare=False)

    @property
    def estimate(self) -> float:
        return self.win_rate

    @property
    def n_rows(self) -> int:
        return len(self.scores)

    @property
    def values(self) -> Array:
        """(n,) points of each row, NaN where unjudged; their mean is the rate."""
        return 100 * self.scores

    @property
    def bounds(self) -> tuple[float, float]:
        return 0.0, 100.0

    def replicate(self, counts: Array) -> Array:
        """The win rate of each resample; `counts` (B, n) says how often a row was drawn. Returns (B,)."""
        judged = ~np.isnan(self.scores)
        drawn = counts[:, judged]
        with np.errstate(invalid="ignore"):  # a resample without a judged row has no rate: NaN
            return 100 * (drawn @ self.scores[judged]) / drawn.sum(axis=1)


def as_scores(preferences: ArrayLike) -> Array:
    """Preferences in [1, 2] (0 is AlpacaEval's other spelling of a draw) as scores in [0, 1], null as NaN.

    Raises:
        InputError: a value outside [1, 2] that is neither 0 nor null; its row is named, counted from 1.
    """
    values = np.atleast_1d(np.asarray(preferences, dtype=np.float64))
    if values.ndim != 1:
        raise InputError(
            f"preferences have shape {values.shape}", field="preference", expected="one number a row"
        )
    values = np.where(values == 0, 1.5, values)
    outside = ~np.isnan(values) & ~((values >= 1) & (values <= 2))
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise InputError(
            f"{int(outside.sum())} of {len(values)} lie outside [1, 2], the first is {values[row]:g}",
            line=row + 1,
            field="preference",
            expected="a number from 1 (the reference wins) to 2 (the model wins), or null",
            fix="repair the judgement, or set it to null to leave it out",
        )
    return values - 1


def win_rate(preferences: ArrayLike) -> WinRate:
    """Win rate of output_2 over output_1, as in AlpacaEval: 100·mean(preference − 1).

    Args:
        preferences: (n,) in [1, 2]; 2 is a win, 1 a loss, 1.5 or 0 a draw, NaN or None not judged.

    Returns:
        WinRate, in points; the standard error is the sample deviation (ddof 1) over √n, NaN for one row.

    Raises:
        InputError: nothing judged, or a preference outside [1, 2].
    """
    scores = as_scores(preferences)
    judged = scores[~np.isnan(scores)]
    if len(judged) == 0:
        raise InputError("no row has a preference", field="preference", expected="at least one judged row")
    wins, losses = int((judged > 0.5).sum()), int((judged < 0.5).sum())
    draws = len(judged) - wins - losses
    deviation = float(np.std(judged, ddof=1)) if len(judged) > 1 else float("nan")
    return WinRate(
        win_rate=100 * float(judged.mean()),
        standard_error=100 * deviation / len(judged) ** 0.5,
        n_wins=wins,
        n_wins_base=losses,
        n_draws=draws,
        n_total=len(judged),
        discrete_win_rate=100 * (wins + 0.5 * draws) / len(judged),
        n_unjudged=len(scores) - len(judged),
        scores=scores,
    )
