"""Intervals by resampling instructions, for means, win rates and length-controlled win rates alike.

Anything with `estimate`, `n_rows` and `replicate(counts)` can be resampled; LC refits its regression on
each resample. All intervals are 95 % and percentile, all draws come from the seed that is passed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammapo.errors import InputError

Array = NDArray[np.float64]
LEVEL = 0.95
CELLS = 4_000_000  # counts held at once, 32 MB
FEW = 30  # units below which a percentile bootstrap of a mean is too narrow, and Student's t is used


class Resampled(Protocol):
    """A statistic over rows that can be recomputed with each row counted a number of times."""

    @property
    def estimate(self) -> float: ...
    @property
    def n_rows(self) -> int: ...
    def replicate(self, counts: Array) -> Array:
        """`counts` (B, n) → the statistic of each resample, (B,)."""
        ...


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its 95 % interval, in the unit of the statistic.

    `n_units` counts what was resampled (rows, or groups of rows). `method` is "bootstrap", or "t" for a mean
    or a win rate over fewer than 30 units; over a single one the ends are NaN.
    """

    estimate: float
    low: float
    high: float
    standard_error: float
    n_units: int
    n_bootstrap: int
    method: Literal["bootstrap", "t"]


@dataclass(frozen=True, kw_only=True)
class Difference(Interval):
    """a − b on the same rows. `p_value` is two-sided: Student's t on estimate / standard error; where all
    units differ alike, so that there is no spread to divide by, the exact sign test's 2 / 2ⁿ."""

    p_value: float


@dataclass(frozen=True, kw_only=True)
class Mean:
    """The mean of (n,) values, as something that can be resampled; a NaN takes no part."""

    values: Array = field(repr=False)

    @property
    def estimate(self) -> float:
        return float(np.nanmean(self.values))

    @property
    def n_rows(self) -> int:
        return len(self.values)

    def replicate(self, counts: Array) -> Array:
        known = np.isfinite(self.values)
        drawn = counts[:, known]
        with np.errstate(invalid="ignore"):  # a resample without a value has no mean: NaN
            return drawn @ self.values[known] / drawn.sum(axis=1)


def bootstrap_ci(
    statistic: Resampled | ArrayLike,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Sequence[object] | None = None,
) -> Interval:
    """95 % interval of a WinRate, a LengthControlled (refitted), or the mean of plain values.

    Args:
        statistic: what `win_rate` or `length_controlled` returned, or (n,) values whose mean is meant.
        groups: (n,) labels; rows of one group are drawn together (answers of one instruction, one seed).
    """
    subject = _resampled(statistic)
    draws(subject.n_rows, n_bootstrap=n_bootstrap, seed=seed, groups=groups)  # refuses what cannot be drawn
    values = _values(subject)
    if values is not None:
        judged = np.flatnonzero(np.isfinite(values))
        kept = None if groups is None else [groups[row] for row in judged.tolist()]
        if len(judged if kept is None else set(map(str, kept))) < FEW:
            found = _student(values[judged], kept)
            least, most = getattr(subject, "bounds", (-np.inf, np.inf))
            return replace(found, low=max(found.low, least), high=min(found.high, most))
    replicates, units = resample([subject], n_bootstrap=n_bootstrap, seed=seed, groups=groups)
    return percentile(subject.estimate, replicates[0], units)


def paired_difference(
    a: Resampled | ArrayLike,
    b: Resampled | ArrayLike,
    *,
    n_bootstrap: int = 1000,
    seed: int = 0,
    groups: Sequence[object] | None = None,
) -> Difference:
    """a − b, where row i of both is the same instruction: both are recomputed on the same draws.

    Raises:
        InputError: a and b have different numbers of rows.
    """
    first, second = _resampled(a), _resampled(b)
    if first.n_rows != second.n_rows:
        raise InputError(
            f"{first.n_rows} rows against {second.n_rows}",
            expected="the same instructions in the same order on both sides",
        )
    mine, theirs = _values(first), _values(second)
    if mine is not None and theirs is not None and (np.isfinite(mine) == np.isfinite(theirs)).all():
        gaps = Mean(values=mine - theirs)
        interval = bootstrap_ci(gaps, n_bootstrap=n_bootstrap, seed=seed, groups=groups)
    else:
        both, units = resample([first, second], n_bootstrap=n_bootstrap, seed=seed, groups=groups)
        interval = percentile(first.estimate - second.estimate, both[0] - both[1], units)
    return as_difference(interval)


def as_difference(interval: Interval) -> Difference:
    """The interval of a difference, with the p-value of "no difference"."""
    from scipy.special import stdtr

    noise = 1e-12 * max(1.0, abs(interval.estimate))  # of rounding, where all units differ alike
    if interval.standard_error > noise:
        t = abs(interval.estimate) / interval.standard_error
        p_value = float(2 * stdtr(max(interval.n_units - 1, 1), -t))
    else:
        p_value = 1.0 if abs(interval.estimate) <= noise else min(1.0, 2 * 0.5**interval.n_units)
    return Difference(**vars(interval), p_value=p_value)


def resample(
    statistics: Sequence[Resampled], *, n_bootstrap: int, seed: int, groups: Sequence[object] | None = None
) -> tuple[Array, int]:
    """All statistics on the same draws: (S, B), and the number of units drawn from (rows or groups)."""
    units, chunks = draws(statistics[0].n_rows, n_bootstrap=n_bootstrap, seed=seed, groups=groups)
    parts = [[statistic.replicate(counts) for statistic in statistics] for counts in chunks]
    return np.concatenate([np.stack(part) for part in parts], axis=1), units


def draws(
    n: int, *, n_bootstrap: int, seed: int, groups: Sequence[object] | None = None
) -> tuple[int, Iterator[Array]]:
    """Units drawn from, and how often each row is drawn: (b, n) counts, in chunks that fit in memory."""
    if n < 1 or n_bootstrap < 1:
        raise InputError(f"{n} rows and {n_bootstrap} resamples", expected="at least one of each")
    if groups is not None and len(groups) != n:
        raise InputError(f"{len(groups)} labels", field="groups", expected=f"{n}, one a row")
    member = None if groups is None else _members(groups)
    units = n if member is None else int(member.max()) + 1
    return units, _chunks(n, units, member, n_bootstrap, np.random.default_rng(seed))


def _members(groups: Sequence[object]) -> NDArray[np.int64]:
    """The group of each row as a number, in the order of the labels. (A numpy array of the labels would take
    the longest one's length for every row: gigabytes, where they are instructions.)"""
    labels = [str(label) for label in groups]
    place = {label: number for number, label in enumerate(sorted(set(labels)))}
    return np.array([place[label] for label in labels], dtype=np.int64)


def _chunks(
    n: int, units: int, member: NDArray[np.int64] | None, total: int, rng: np.random.Generator
) -> Iterator[Array]:
    size = max(1, CELLS // n)
    for begun in range(0, total, size):
        counts = rng.multinomial(units, np.full(units, 1 / units), size=min(size, total - begun))
        yield (counts if member is None else counts[:, member]).astype(np.float64)


def holm(p_values: ArrayLike) -> Array:
    """Holm's step-down correction: adjusted p-values (m,), in the order given (Holm 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.arange(len(p), 0, -1) * p[order]
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def _values(statistic: Resampled) -> Array | None:
    """(n,) values whose mean the statistic is, NaN where a row takes no part; None if it is no plain mean."""
    return getattr(statistic, "values", None)


def _resampled(statistic: Resampled | ArrayLike) -> Resampled:
    if hasattr(statistic, "replicate"):
        return statistic  # type: ignore[return-value]
    values = np.asarray(statistic, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise InputError(f"shape {values.shape}", field="statistic", expected="(n,) finite values, n ≥ 1")
    return Mean(values=values)


def percentile(estimate: float, replicates: Array, units: int) -> Interval:
    """The percentile interval from (B,) replicates; a resample without a judged row (NaN) is left out."""
    kept = replicates[np.isfinite(replicates)]
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(kept, ends) if len(kept) else (np.nan, np.nan)
    return Interval(
        estimate=float(estimate),
        low=float(low),
        high=float(high),
        standard_error=float(kept.std(ddof=1)) if len(kept) > 1 else float("nan"),
        n_units=units,
        n_bootstrap=len(kept),
        method="bootstrap",
    )


def _student(values: Array, groups: Sequence[object] | None) -> Interval:
    """Student's interval over units; groups enter by their means, weighted by their size."""
    from scipy.special import stdtrit

    estimate = float(values.mean())
    pulls = values - estimate
    if groups is not None:
        member = _members(groups)
        pulls = np.bincount(member, pulls) * (member.max() + 1) / len(member)
    n = len(pulls)
    error = float(np.sqrt((pulls**2).sum() / (n - 1) / n)) if n > 1 else float("nan")
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * error if n > 1 else float("nan")
    return Interval(
        estimate=estimate,
        low=estimate - reach,
        high=estimate + reach,
        standard_error=error,
        n_units=n,
        n_bootstrap=0,
        method="t",
    )
