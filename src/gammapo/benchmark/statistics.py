"""From rows to cells and summaries. The seed is the unit of chance; losses are compared within a seed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from gammapo.benchmark.prompts import against
from gammapo.evaluation import bootstrap_ci, holm, paired_difference

Row = dict[str, Any]
Place = tuple[str, str, float]  # world, noise, rate
MEANS = ("win_rate", "length_controlled_winrate", "held_out_accuracy", "kl", "length", "chosen_drift")
MEANS += ("rejected_drift", "flip_auroc", "flip_calibration_error", "seconds")
BOOTSTRAP = 2000


def cells(rows: Sequence[Row], baseline: str) -> list[Row]:
    """One object a world, noise, rate and loss: the mean over seeds with its 95 % interval, the paired
    difference to the baseline loss in the same seeds (`compared_seeds` of them), its p-value, corrected by
    Holm over the whole grid, and the win rates over the baseline's answers to the same prompts,
    `win_rate_over_baseline` and `length_controlled_winrate_over_baseline`.

    Student's t below 30 seeds, a bootstrap from there on. Fields without a value are None.
    """
    found = []
    for place in _places(rows):
        here = _by_loss(rows, place)
        for loss, seeds in here.items():
            golds = {seed: row["gold_reward"] for seed, row in seeds.items()}
            cell: Row = {"world": place[0], "noise": place[1], "rate": place[2], "loss": loss}
            cell |= {"seeds": len(golds), "gold_reward": float(np.mean(list(golds.values())))}
            cell["gold_ci95"] = _interval(list(golds.values()))
            cell["base_gold"] = _mean(row["base_gold"] for row in seeds.values())
            cell |= {name: _mean(row.get(name) for row in seeds.values()) for name in MEANS}
            cell |= _against(golds, here.get(baseline, {}), loss == baseline)
            cell |= _won(seeds, {} if loss == baseline else here.get(baseline, {}))
            found.append(cell)
    compared = [cell for cell in found if cell["p_value"] is not None]
    if compared:
        corrected = holm([cell["p_value"] for cell in compared])
        for cell, p in zip(compared, corrected, strict=True):
            cell["p_holm"] = float(p)
    return found


def summaries(found: Sequence[Row]) -> list[Row]:
    """One object a world and loss, from its cells: clean gold, the clean-data tax (best clean mean − own),
    the worst cell, and for each noise kind the area under the noise curve (mean gold over the rates).

    `lacking` are the cells that another loss has in this world and this one has not, because its runs failed
    or are still to come. As they may well be its worst, nothing is said then of the mean, the worst cell and
    the area that they belong to: these are None.
    """
    result = []
    for world in dict.fromkeys(cell["world"] for cell in found):
        here = [cell for cell in found if cell["world"] == world]
        clean = {cell["loss"]: cell["gold_reward"] for cell in here if not cell["rate"]}
        places = dict.fromkeys((cell["noise"], cell["rate"]) for cell in here)
        for loss in dict.fromkeys(cell["loss"] for cell in here):
            own = {(cell["noise"], cell["rate"]): cell for cell in here if cell["loss"] == loss}
            lacking = [place for place in places if place not in own]
            golds = {place: cell["gold_reward"] for place, cell in own.items()}
            worst = min(golds, key=lambda place: golds[place])
            result.append(
                {
                    "world": world,
                    "loss": loss,
                    "lacking": [_called(*place) for place in lacking],
                    "mean_gold": None if lacking else float(np.mean(list(golds.values()))),
                    "clean_gold": clean.get(loss),
                    "clean_tax": max(clean.values()) - clean[loss] if loss in clean else None,
                    "worst_gold": None if lacking else golds[worst],
                    "worst_cell": None if lacking else _called(*worst),
                    "area": {
                        kind: None
                        if any(not rate or noise == kind for noise, rate in lacking)
                        else area(list(own.values()), kind)
                        for kind in dict.fromkeys(noise for noise, rate in places if rate)
                    },
                }
            )
    return result


def area(own: Sequence[Row], kind: str) -> float:
    """Mean gold over the rates of one noise kind, clean labels included: trapezoids over the rate, divided by
    its range."""
    points = sorted(
        (cell["rate"], cell["gold_reward"]) for cell in own if not cell["rate"] or cell["noise"] == kind
    )
    rates, golds = np.array(points).T
    if len(points) < 2:
        return float(golds.mean())
    return float(((golds[1:] + golds[:-1]) / 2 * np.diff(rates)).sum() / (rates[-1] - rates[0]))


def _called(noise: str, rate: float) -> str:
    return f"{noise} {rate:g}" if rate else "clean"


def _against(golds: dict[Any, float], baseline: dict[Any, Row], itself: bool) -> Row:
    empty: Row = {"difference": None, "difference_ci95": None, "p_value": None, "p_holm": None}
    shared = [] if itself else [seed for seed in golds if seed in baseline]
    empty["compared_seeds"] = len(shared)
    if not shared:
        return empty
    mine = [golds[seed] for seed in shared]
    theirs = [baseline[seed]["gold_reward"] for seed in shared]
    if len(shared) < 2:
        return {**empty, "difference": mine[0] - theirs[0]}
    gap = paired_difference(mine, theirs, n_bootstrap=BOOTSTRAP, seed=0)
    ends = [gap.low, gap.high]
    return {**empty, "difference": gap.estimate, "difference_ci95": ends, "p_value": gap.p_value}


def _won(seeds: dict[Any, Row], baseline: dict[Any, Row]) -> Row:
    """Mean win rates over the baseline, seed by seed on the same prompts."""
    found = [against(row, baseline[seed]) for seed, row in seeds.items() if seed in baseline]
    names = ("win_rate", "length_controlled_winrate")
    return {f"{name}_over_baseline": _mean(one[name] for one in found if one) for name in names}


def _interval(values: Sequence[float]) -> list[float] | None:
    if len(values) < 2:
        return None
    found = bootstrap_ci(values, n_bootstrap=BOOTSTRAP, seed=0)
    return [found.low, found.high]


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return float(np.mean(known)) if known else None


def _places(rows: Sequence[Row]) -> list[Place]:
    return list(dict.fromkeys((row["world"], row["noise"], row["rate"]) for row in rows))


def _by_loss(rows: Sequence[Row], place: Place) -> dict[str, dict[Any, Row]]:
    found: dict[str, dict[Any, Row]] = {}
    for row in rows:
        if (row["world"], row["noise"], row["rate"]) == place:
            found.setdefault(row["loss"], {})[row["seed"]] = row
    return found
