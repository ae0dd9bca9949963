"""Stored runs made again: are the numbers of a results folder still what this code gives on this machine?"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gammapo.benchmark import engines, experiment
from gammapo.benchmark.bench import tuned_specs
from gammapo.benchmark.grid import Grid
from gammapo.benchmark.specs import key_of
from gammapo.benchmark.store import Store
from gammapo.errors import InputError

# of a row: how long it took, which no second run repeats, and what the grid calls its world and loss
IGNORED = ("seconds", "device", "world", "loss")


@dataclass(frozen=True, kw_only=True)
class Remade:
    """A stored run beside its repetition, by gold reward. `now` is None where it failed: `error` says why;
    `alike` if every number of the two rows is the same, time aside."""

    world: str
    loss: str
    noise: str
    rate: float
    seed: int
    stored: float
    now: float | None
    alike: bool
    error: str | None = None


def remake(
    grid: Grid,
    folder: str | Path,
    count: int,
    *,
    seed: int = 0,
    workers: int | None = None,
    engine: str = "local",
    gpus: float = 0.0,
    watch: Callable[[Remade], None] | None = None,
) -> list[Remade]:
    """Run `count` of the folder's runs again, drawn by `seed`. Nothing is written.

    Args:
        grid, folder, workers, engine, gpus: as in `bench`.
        watch: called after every run.

    Raises:
        InputError: the folder holds no run of this grid and this code.
    """
    engines.check_gpus(gpus, engine)
    store = Store(folder)
    stored = [(spec, row) for spec in tuned_specs(grid, folder) if (row := store.row(spec)) is not None]
    if not stored:
        raise InputError(
            "holds no run of this grid, made by this code",
            file=folder,
            fix="run the grid first, or name the folder of its results",
        )
    drawn = random.Random(seed).sample(stored, min(count, len(stored)))
    rows = {row["run"]: row for _, row in drawn}
    work = partial(experiment.run, device="cuda" if gpus else "cpu")
    found = []
    for outcome in engines.outcomes(
        [spec for spec, _ in drawn], work, workers=workers or grid.workers, engine=engine, gpus=gpus
    ):
        found.append(_compared(rows[key_of(outcome.spec)], outcome))
        if watch is not None:
            watch(found[-1])
    return found


def _compared(stored: dict[str, Any], outcome: engines.Outcome) -> Remade:
    now = outcome.row
    alike = now is not None and all(now[name] == stored.get(name) for name in now if name not in IGNORED)
    return Remade(
        **{name: stored[name] for name in ("world", "loss", "noise", "rate", "seed")},
        stored=stored["gold_reward"],
        now=None if now is None else now["gold_reward"],
        alike=alike,
        error=outcome.error,
    )
