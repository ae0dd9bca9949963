"""The whole of `gammapo bench`: tune, run what is missing, count, write the results down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gammapo import files, models
from gammapo.benchmark import engines, experiment, statistics, world
from gammapo.benchmark.grid import Grid
from gammapo.benchmark.specs import Spec, key_of, specs, world_key
from gammapo.benchmark.store import RESULTS, Store
from gammapo.benchmark.tuning import known_trials, runs_left, tune
from gammapo.errors import RunError
from gammapo.report import benchmark_page

STATISTICS, TUNED, REPORT = "statistics.json", "tuned.json", "report.html"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where the grid stands. `seconds_left` is None until a run has ended."""

    stage: str
    done: int
    total: int
    failed: int
    seconds_left: float | None


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is in the folder now. `failures` are (world, loss, noise, rate, seed, error)."""

    folder: Path
    rows: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    summaries: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    ran: int


Watch = Callable[[Progress], None]


def bench(
    grid: Grid,
    folder: str | Path,
    *,
    engine: str = "local",
    workers: int | None = None,
    gpus: float = 0.0,
    stored_only: bool = False,
    command: str = "gammapo bench GRID.yaml",
    watch: Watch | None = None,
) -> Benchmark:
    """Run the grid; runs whose results lie in the folder are not run again.

    Args:
        folder: gets runs/, failures/, results.jsonl, statistics.json, tuned.json, report.html and report.md.
        engine: "local" (processes) or "ray".
        workers: runs at a time; the grid's own if None.
        gpus: share of a GPU that a run gets; 0 trains on the CPU. Local runs take the GPUs in turns.
        stored_only: run nothing, and report the runs that the folder holds.
        command: shown in the report as what remakes it.
        watch: called after every run.

    Raises:
        InputError: the grid cannot be run as it stands. RunError: not a single run came through.
    """
    if not stored_only:
        engines.check_gpus(gpus, engine)
    store, begun = Store(folder), _Begun()
    store.keep_listed()

    def outcomes(missing: Sequence[Spec]) -> Iterator[engines.Outcome]:
        work = partial(experiment.run, device="cuda" if gpus else "cpu")
        return engines.outcomes(missing, work, workers=workers or grid.workers, engine=engine, gpus=gpus)

    def execute(wanted: Sequence[Spec], stage: str) -> list[dict[str, Any] | None]:
        if stored_only:
            return [store.row(spec) for spec in wanted]
        return _execute(wanted, stage, store, outcomes, watch, begun)

    with models.quiet():
        here = "cuda" if gpus and engine == "local" else "cpu"  # a cluster's GPUs need not be here
        facts = _facts(grid, store.folder / STATISTICS, here)
    tuned = None
    if grid.tune is not None:
        done = store.folder / TUNED
        known = known_trials(files.read_json(done)) if done.is_file() else {}
        tuned = tune(grid, lambda wanted: execute(wanted, "tuning"), known)
        files.write_json(done, tuned)
    wanted = specs(grid, tuned)
    made = list(zip(wanted, execute(wanted, "grid"), strict=True))
    rows = [row for _, row in made if row is not None]
    # a run that failed in one process and came through in another, on the same folder, did not fail
    failures = [
        _failure(spec, error)
        for spec, row in made
        if row is None and (error := store.error(spec)) is not None
    ]
    if not rows:
        why = f"the first error: {failures[0]['error']}" if failures else f"{store.folder} holds none of them"
        raise RunError(f"no run came through; {why}")
    found = statistics.cells(rows, grid.baseline)
    result = Benchmark(
        folder=store.folder,
        rows=rows,
        cells=found,
        summaries=statistics.summaries(found),
        failures=failures,
        ran=begun.ran,
    )
    _write(result, grid, facts, command)
    return result


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `bench` would run. `stored` of the grid's `runs` are there, by the settings that tuning found so
    far; `tuning_runs_left` are made before the others, and may change these settings."""

    runs: int
    stored: int
    tuning_runs_left: int


def plan(grid: Grid, folder: str | Path) -> Plan:
    """Count the runs of a grid and those that the folder holds; runs and writes nothing."""
    store, wanted = Store(folder), tuned_specs(grid, folder)
    known = known_trials(_tuned(grid, folder) or {})
    return Plan(
        runs=len(wanted),
        stored=sum(store.row(spec) is not None for spec in wanted),
        tuning_runs_left=runs_left(grid, store.row, known) if grid.tune is not None else 0,
    )


def tuned_specs(grid: Grid, folder: str | Path) -> list[Spec]:
    """The grid's runs, by the settings that its tuning found if the folder holds any."""
    return specs(grid, _tuned(grid, folder))


def _tuned(grid: Grid, folder: str | Path) -> dict[str, Any] | None:
    done = Path(folder) / TUNED
    return files.read_json(done) if grid.tune is not None and done.is_file() else None


def _facts(grid: Grid, earlier: Path, device: str) -> dict[str, dict[str, Any]]:
    """What each world says of itself, which may take minutes: from the last report if of the same one."""
    told = files.read_json(earlier).get("worlds", {}) if earlier.is_file() else {}
    facts = {}
    for entry in grid.worlds:
        key = {"key": world_key(entry)}
        known = told.get(entry.called, {})
        same = known.get("key") == key["key"]
        if not same:
            known = key | world.create(entry.name, device=device, **entry.options).describe()
        facts[entry.called] = known
    return facts


@dataclass
class _Begun:
    ran: int = 0


def _execute(wanted, stage, store: Store, outcomes, watch, begun) -> list[dict[str, Any] | None]:
    """Rows in the order of `wanted`, from the store or by running; None for a run that failed."""
    missing = {key_of(spec): spec for spec in wanted if store.row(spec) is None}
    started, failed = time.monotonic(), 0
    for done, outcome in enumerate(outcomes(list(missing.values())), 1):
        begun.ran += 1
        if outcome.row is not None:
            store.save(outcome.spec, outcome.row)
        else:
            failed += 1
            store.fail(outcome.spec, outcome.error or "unknown")
        if watch is not None:
            left = (time.monotonic() - started) / done * (len(missing) - done)
            watch(Progress(stage=stage, done=done, total=len(missing), failed=failed, seconds_left=left))
    return [store.row(spec) for spec in wanted]


def _failure(spec: Mapping[str, Any], error: str) -> dict[str, Any]:
    where = {"world": spec["world"]["as"], "loss": spec["loss"]["as"], "noise": spec["noise"]["kind"]}
    return {**where, "rate": spec["noise"]["rate"], "seed": spec["seed"], "error": error}


def _write(result: Benchmark, grid: Grid, facts: Mapping[str, Any], command: str) -> None:
    folder = result.folder
    files.write_jsonl(folder / RESULTS, result.rows)
    files.write_json(
        folder / STATISTICS,
        {
            "title": grid.title,
            "command": command,
            "baseline": grid.baseline,
            "scores": grid.scores,
            "worlds": facts,
            "cells": result.cells,
            "summaries": result.summaries,
            "failures": result.failures,
        },
    )
    highlight = [loss for loss in ("gammapo", grid.baseline) if loss in grid.losses]
    page = benchmark_page(
        result.rows,
        title=grid.title,
        command=command,
        highlight=highlight,
        cells=result.cells,
        baseline=grid.baseline,
        failures=result.failures,
    )
    files.write_text(folder / REPORT, page.render())
    files.write_text((folder / REPORT).with_suffix(".md"), page.markdown())
