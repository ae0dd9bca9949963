"""The same tuning budget for every loss, on seeds that no result comes from.

First every learning rate with every number of epochs, at the loss's own defaults; then, at the best of these,
up to `budget` settings of the loss's own options. What is maximised is the mean gold reward over all worlds,
conditions and tuning seeds, so that a loss gets one setting for all cells and none is tuned to a cell.
A loss whose entry gives a `learning_rate` comes with its setting, from another grid say, and is not tried.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, product
from typing import Any

from gammapo.benchmark.fingerprint import content_hash
from gammapo.benchmark.grid import Grid, Tune, WorldEntry
from gammapo.benchmark.specs import Spec, conditions, key_of, run_spec
from gammapo.errors import InputError, RunError

Execute = Callable[[Sequence[Spec]], list[dict[str, Any] | None]]
Setting = dict[str, Any]  # `training` and `options`


def tune(grid: Grid, execute: Execute, known: Mapping[str, float] | None = None) -> dict[str, dict[str, Any]]:
    """Loss → {`training`, `options`, `gold_reward`, `trials`}; `trials` lists every setting with its score
    and `runs`, a hash of the runs that gave it. Losses that come with their setting are left out.

    Args:
        execute: rows of runs in the order given, None for one that failed.
        known: scores of earlier trials by that hash, which need not be run again.

    Raises:
        RunError: no setting of a loss could be trained.
    """
    assert grid.tune is not None
    first = [
        {"training": {"learning_rate": rate, "epochs": epochs}, "options": {}}
        for rate in grid.tune.learning_rates
        for epochs in grid.tune.epochs
    ]
    open_ones = [key for key, entry in grid.losses.items() if entry.learning_rate is None]
    known = known or {}
    trials = _try(grid, execute, known, dict.fromkeys(open_ones, first))
    best = {key: _best(key, found) for key, found in trials.items()}
    own = {
        key: [
            {"training": best[key]["training"], "options": options}
            for options in own_options(grid.tune, key, grid.losses[key].options)
        ]
        for key in open_ones
    }
    for key, found in _try(grid, execute, known, own).items():
        trials[key] += found
    return {key: {**_best(key, found), "trials": found} for key, found in trials.items()}


def runs_left(
    grid: Grid, row: Callable[[Spec], dict[str, Any] | None], known: Mapping[str, float] | None = None
) -> int:
    """How many runs `tune` has still to make, with rows and trials that are known already.

    The second round starts from the best of the first; where that is not known, all of it is counted.
    """
    assert grid.tune is not None
    left: dict[str, None] = {}  # by name, as two trials may share a run

    def look(wanted: Sequence[Spec]) -> list[dict[str, Any] | None]:
        rows = [row(spec) for spec in wanted]
        left.update({key_of(spec): None for spec, one in zip(wanted, rows, strict=True) if one is None})
        return rows

    unseen = 0
    for key, entry in grid.losses.items():
        one = grid.model_copy(update={"losses": {key: entry}})
        try:
            tune(one, look, known)
        except RunError:
            unseen += len(own_options(grid.tune, key, entry.options)) * len(_places(grid))
    return len(left) + unseen


def known_trials(tuned: Mapping[str, Any]) -> dict[str, float]:
    """The scores of an earlier `tune`, by the hash of their runs."""
    trials = [trial for found in tuned.values() for trial in found["trials"]]
    return {t["runs"]: t["gold_reward"] for t in trials if "runs" in t and t["gold_reward"] is not None}


def own_options(tune: Tune, key: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """At most `budget` combinations of a loss's knobs, drawn by the first tuning seed and the loss's name."""
    knobs = tune.knobs.get(key, {})
    if not knobs:
        return []
    every = [dict(zip(knobs, values, strict=True)) for values in product(*knobs.values())]
    new = [options for options in every if any(given.get(name) != value for name, value in options.items())]
    random.Random(f"{tune.seeds[0]} {key}").shuffle(new)
    return new[: tune.budget]


def _try(
    grid: Grid, execute: Execute, known: Mapping[str, float], settings: Mapping[str, Sequence[Setting]]
) -> dict[str, list[Setting]]:
    """Every loss's settings with their scores; those not known are run in one batch."""
    places = _places(grid)
    scored: dict[str, list[Setting]] = {key: [] for key in settings}
    open_ones: list[tuple[Setting, list[Spec]]] = []
    for key, some in settings.items():
        for setting in some:
            _check(grid, key, setting)
            runs = [run_spec(grid, world, key, noise, seed, setting) for world, noise, seed in places]
            name = content_hash({"runs": [key_of(spec) for spec in runs]})
            trial = {**setting, "gold_reward": known.get(name), "runs": name}
            scored[key].append(trial)
            if name not in known:
                open_ones.append((trial, runs))
    rows = iter(execute([spec for _, runs in open_ones for spec in runs]))
    for trial, runs in open_ones:
        golds = [row["gold_reward"] for row in islice(rows, len(runs)) if row is not None]
        trial["gold_reward"] = sum(golds) / len(golds) if len(golds) == len(runs) else None
    return scored


def _places(grid: Grid) -> list[tuple[WorldEntry, dict[str, Any], int]]:
    """(world, condition, seed) of every run of a trial."""
    assert grid.tune is not None
    wrong = conditions(grid.noise if grid.tune.noise is None else grid.tune.noise)
    return list(product(grid.tune.worlds or grid.worlds, wrong, grid.tune.seeds))


def _check(grid: Grid, key: str, setting: Setting) -> None:
    """Raise before the first run if a combination of options is refused by its loss."""
    from gammapo import losses

    entry = grid.losses[key]
    try:
        losses.create(entry.loss or key, **{**entry.options, **setting["options"]})
    except InputError as error:
        raise InputError(
            f"options {setting['options']} cannot be combined: {error.problem}",
            field=f"tune.knobs.{key}",
            fix="drop one of the knobs",
        ) from error


def _best(key: str, trials: Sequence[Setting]) -> Setting:
    """The setting of the highest score; the earlier one of equals."""
    done = [trial for trial in trials if trial["gold_reward"] is not None]
    if not done:
        raise RunError(f"loss {key!r}: no setting could be trained; see the folder failures/")
    return dict(max(done, key=lambda trial: trial["gold_reward"]))
