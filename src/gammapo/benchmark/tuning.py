"""The same tuning budget for every loss, on seeds that no result comes from.

First every learning rate with every number of epochs, at the loss's own defaults; then, at the best of these,
up to `budget` settings of the loss's own options. What is maximised is the mean gold reward over all worlds,
conditions and tuning seeds, so that a loss gets one setting for all cells and none is tuned to a cell.
A loss whose entry gives a `learning_rate` comes with its setting, from another grid say, and is not tried.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gammapo.benchmark.grid import Grid, Spec, Tune, conditions, run_spec
from gammapo.errors import InputError, RunError

Execute = Callable[[Sequence[Spec]], list[dict[str, Any] | None]]
Setting = dict[str, Any]  # `training` and `options`


def tune(grid: Grid, execute: Execute) -> dict[str, dict[str, Any]]:
    """Loss → {`training`, `options`, `gold_reward`, `trials`}; `trials` lists every setting with its score.
    Losses that come with their setting are left out.

    Args:
        execute: rows of runs in the order given, None for one that failed.

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
    trials = _try(grid, execute, dict.fromkeys(open_ones, first))
    best = {key: _best(key, found) for key, found in trials.items()}
    own = {
        key: [
            {"training": best[key]["training"], "options": options}
            for options in own_options(grid.tune, key, grid.losses[key].options)
        ]
        for key in open_ones
    }
    for key, found in _try(grid, execute, own).items():
        trials[key] += found
    return {key: {**_best(key, found), "trials": found} for key, found in trials.items()}


def own_options(tune: Tune, key: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """At most `budget` combinations of a loss's knobs, drawn by the first tuning seed and the loss's name."""
    knobs = tune.knobs.get(key, {})
    if not knobs:
        return []
    every = [dict(zip(knobs, values, strict=True)) for values in itertools.product(*knobs.values())]
    new = [options for options in every if any(given.get(name) != value for name, value in options.items())]
    random.Random(f"{tune.seeds[0]} {key}").shuffle(new)
    return new[: tune.budget]


def _try(grid: Grid, execute: Execute, settings: Mapping[str, Sequence[Setting]]) -> dict[str, list[Setting]]:
    """Every loss's settings with their scores, all in one batch."""
    assert grid.tune is not None
    wrong = conditions(grid.noise if grid.tune.noise is None else grid.tune.noise)
    places = list(itertools.product(grid.tune.worlds or grid.worlds, wrong, grid.tune.seeds))
    asked = [(key, setting) for key, some in settings.items() for setting in some]
    wanted: list[Spec] = []
    usable = []
    for key, setting in asked:
        _check(grid, key, setting)
        usable.append((key, setting))
        wanted += [run_spec(grid, world, key, noise, seed, setting) for world, noise, seed in places]
    rows = execute(wanted)
    scored: dict[str, list[Setting]] = {key: [] for key in settings}
    for index, (key, setting) in enumerate(usable):
        own = rows[index * len(places) : (index + 1) * len(places)]
        golds = [row["gold_reward"] for row in own if row is not None]
        score = sum(golds) / len(golds) if len(golds) == len(places) else None
        scored[key].append({**setting, "gold_reward": score})
    return scored


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
