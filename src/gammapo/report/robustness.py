"""From benchmark rows to curves, cells and a ranking. Pure functions; the seed is the unit of chance.

A row is one run: `world`, `loss`, `noise`, `rate`, `seed` and metrics. All losses of a cell (world, noise,
rate) share their seeds' data, flips and order, so losses are compared by differences within a seed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gammapo.errors import InputError
from gammapo.report.charts.base import finite
from gammapo.report.numbers import Interval, mean_interval

Row = Mapping[str, Any]
KEYS = ("world", "loss", "noise", "rate", "seed")


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """One condition. Rate 0 of every noise kind is the same condition, with noise ""."""

    world: str
    noise: str
    rate: float

    @property
    def label(self) -> str:
        return f"{self.noise} {100 * self.rate:.3g}\u00a0%" if self.rate else "clean"


Table = dict[Cell, dict[str, dict[Any, float]]]  # cell → loss → seed → value


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One loss over all cells that every loss has.

    `behind` is its paired difference to the leader (None for the leader itself); `top` counts the cells in
    which it is best or cannot be told from the best; `worst` is its lowest cell mean and where that is.
    """

    loss: str
    score: Interval
    behind: Interval | None
    clean: float | None
    noisiest: float | None
    worst: float
    worst_cell: Cell
    top: int
    seconds: float | None

    @property
    def tied(self) -> bool:
        return self.behind is None or self.behind.holds_zero


def check_rows(rows: Sequence[Row], file: Any = None) -> None:
    """Raise InputError at the first row that lacks a key, or whose rate or seed cannot be used."""
    if not rows:
        raise InputError("holds no runs", file=file, expected="one row a run")
    for index, row in enumerate(rows, 1):
        for key in KEYS:
            if key not in row or (key in ("world", "loss") and not isinstance(row[key], str)):
                raise InputError("is missing", file=file, line=index, field=key, expected=", ".join(KEYS))
        for key, kinds in (("noise", str | None), ("seed", int | str)):
            if not isinstance(row[key], kinds):
                expected = "a whole number or a name" if key == "seed" else "a name, or null"
                raise InputError(f"got {row[key]!r}", file=file, line=index, field=key, expected=expected)
        if not finite(row["rate"]) or not 0 <= row["rate"] <= 1:
            problem = f"{row['rate']!r} is no rate"
            raise InputError(problem, file=file, line=index, field="rate", expected="a share from 0 to 1")


def tabulate(rows: Sequence[Row], metric: str) -> Table:
    """Values by cell, loss and seed. A run without a finite value (one that failed) is left out.

    Raises:
        InputError: two runs of one cell, loss and seed with different values, or no value at all.
    """
    table: Table = {}
    for row in rows:
        if not finite(row.get(metric)):
            continue
        noise = str(row["noise"] or "") if row["rate"] else ""
        cell = Cell(world=row["world"], noise=noise, rate=float(row["rate"]))
        seeds = table.setdefault(cell, {}).setdefault(row["loss"], {})
        if seeds.get(row["seed"], row[metric]) != row[metric]:
            where = f"{cell.world}, {cell.label}, {row['loss']}, seed {row['seed']}"
            raise InputError(f"two runs differ: {where}", field=metric, expected="one run a seed")
        seeds[row["seed"]] = float(row[metric])
    if not table:
        raise InputError(
            "no run has this metric", field=metric, expected="a number that the rows of results.jsonl hold"
        )
    return table


def curve_rows(table: Table) -> list[dict[str, Any]]:
    """Means with t intervals over seeds by panel (world and noise kind), loss and rate."""
    worlds = {cell.world for cell in table}
    kinds = dict.fromkeys((cell.world, cell.noise) for cell in sorted(table) if cell.rate)
    rows = []
    for world, noise in kinds:
        here = [c for c in sorted(table, key=lambda c: c.rate) if c.world == world and c.noise in ("", noise)]
        for cell in here:
            for loss, seeds in table[cell].items():
                found = mean_interval(list(seeds.values()))
                panel = f"{world}: {noise}" if len(worlds) > 1 else noise
                row = {"panel": panel, "loss": loss, "rate": cell.rate, "mean": found.mean}
                rows.append({**row, "low": found.low, "high": found.high})
    return rows


def best_of(cell: Mapping[str, Mapping[Any, float]]) -> tuple[str, set[str]]:
    """The loss with the greatest mean, and the losses whose paired difference to it may be zero."""
    best = max(cell, key=lambda loss: (float(np.mean(list(cell[loss].values()))), loss))
    tied = {loss for loss in cell if loss != best and difference(cell[best], cell[loss]).holds_zero}
    return best, tied


def difference(first: Mapping[Any, float], second: Mapping[Any, float]) -> Interval:
    """Mean of first − second over the seeds that both have, with its t interval."""
    shared = [seed for seed in first if seed in second]
    if not shared:
        return Interval(mean=float("nan"), low=None, high=None, count=0)
    return mean_interval([first[seed] - second[seed] for seed in shared])


def heat_rows(table: Table, cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """For each loss and cell the mean, its place between the column's worst and best, and the mark."""
    rows = []
    for cell in cells:
        means = {loss: float(np.mean(list(seeds.values()))) for loss, seeds in table[cell].items()}
        best, tied = best_of(table[cell])
        low, high = min(means.values()), max(means.values())
        for loss, mean in means.items():
            mark = "★" if loss == best else "=" if loss in tied else ""
            place = (mean - low) / (high - low) if high > low else 1.0
            rows.append({"loss": loss, "column": cell.label, "mean": mean, "place": place, "mark": mark})
    return rows


def rank(table: Table, rows: Sequence[Row]) -> tuple[list[Standing], list[Cell]]:
    """Losses by their mean over the cells that all of them have, and these cells.

    A loss's score in a seed is its mean over the cells. All that is said of a loss is over the seeds that
    every loss has in every cell, where there are any: its other seeds would be compared with nobody's.
    """
    losses = sorted({loss for cell in table.values() for loss in cell})
    cells = [cell for cell in sorted(table) if len(table[cell]) == len(losses)]
    if not cells:
        return [], []
    seeds = set.intersection(*(set(table[cell][loss]) for cell in cells for loss in losses))
    table = {cell: {loss: _of(table[cell][loss], seeds) for loss in losses} for cell in cells}
    scores = {loss: _scores(table, cells, loss, seeds) for loss in losses}
    order = sorted(losses, key=lambda loss: (-float(np.mean(list(scores[loss].values()))), loss))
    tops = {cell: best_of(table[cell]) for cell in cells}
    return [_standing(loss, order[0], scores, table, cells, tops, rows) for loss in order], cells


def _of(values: Mapping[Any, float], seeds: set) -> dict[Any, float]:
    return {seed: value for seed, value in values.items() if not seeds or seed in seeds}


def missing(table: Table) -> int:
    """Runs that a loss lacks in a cell and that another loss has there."""
    return sum(
        len(set().union(*cell.values())) - len(cell.get(loss, {}))
        for cell in table.values()
        for loss in {loss for other in table.values() for loss in other}
    )


def _scores(table: Table, cells: Sequence[Cell], loss: str, seeds: set) -> dict[Any, float]:
    if not seeds:
        means = [float(np.mean(list(table[cell][loss].values()))) for cell in cells]
        return {"": float(np.mean(means))}
    return {
        seed: float(np.mean([table[cell][loss][seed] for cell in cells])) for seed in sorted(seeds, key=str)
    }


def _standing(loss, leader, scores, table: Table, cells, tops, rows) -> Standing:
    means = {cell: float(np.mean(list(table[cell][loss].values()))) for cell in cells}
    worst = min(means, key=lambda cell: means[cell])
    most = max(cell.rate for cell in cells)
    clean = [mean for cell, mean in means.items() if not cell.rate]
    noisiest = [mean for cell, mean in means.items() if cell.rate == most and most]
    seconds = [row["seconds"] for row in rows if row["loss"] == loss and finite(row.get("seconds"))]
    return Standing(
        loss=loss,
        score=mean_interval(list(scores[loss].values())),
        behind=None if loss == leader else difference(scores[loss], scores[leader]),
        clean=float(np.mean(clean)) if clean else None,
        noisiest=float(np.mean(noisiest)) if noisiest else None,
        worst=means[worst],
        worst_cell=worst,
        top=sum(loss == best or loss in tied for best, tied in tops.values()),
        seconds=float(np.mean(seconds)) if seconds else None,
    )
