"""Did it help? Paired differences over held-out pairs, and over seeds where there are several.

Two sources of chance are kept apart. The interval over units asks what other held-out pairs (or prompts)
would have said of these very models; seeds are averaged first. The interval over seeds asks what other
trainings would have said of these pairs; it needs at least two, and is wide for few.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError
from gammapo.evaluation import bootstrap_ci, paired_difference
from gammapo.repair.plan import AS_GIVEN

Values = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One metric of every arm: `values[arm]` is (seeds, units), with the same units in the same order.

    `groups` (units,) are drawn together in a bootstrap: pairs of one prompt.
    """

    metric: str
    values: Mapping[str, Values]
    groups: Sequence[object]


def accuracy(gaps: Mapping[str, Sequence[Mapping[str, float]]], prompts: Mapping[str, object]) -> Measured:
    """1 where the reward prefers the answer labelled better, ½ at a tie, 0 otherwise.

    Args:
        gaps: arm → one mapping a seed, from pair id to reward gap.
        prompts: pair id → its prompt.

    Raises:
        InputError: the arms were not measured on the same pairs.
    """
    ids = _common(gaps)
    values = {
        arm: np.array([[0.5 + 0.5 * float(np.sign(one[name])) for name in ids] for one in seeds])
        for arm, seeds in gaps.items()
    }
    return Measured(metric="accuracy", values=values, groups=[prompts[name] for name in ids])


def preferred_score(
    gaps: Mapping[str, Sequence[Mapping[str, float]]],
    prompts: Mapping[str, object],
    scores: Mapping[str, tuple[float, float]],
) -> Measured:
    """The score of the answer that the reward prefers; `scores` are (chosen, rejected), in their own unit."""
    ids = _common(gaps)

    def kept(name: str, gap: float) -> float:
        better, worse = scores[name]
        return better if gap > 0 else worse if gap < 0 else (better + worse) / 2

    values = {
        arm: np.array([[kept(name, one[name]) for name in ids] for one in seeds])
        for arm, seeds in gaps.items()
    }
    return Measured(metric="preferred_score", values=values, groups=[prompts[name] for name in ids])


def answer_score(scores: Mapping[str, Sequence[Sequence[float]]]) -> Measured:
    """The score of the model's own answers: arm → one list a seed, over the same prompts."""
    values = {arm: np.array(seeds, dtype=float) for arm, seeds in scores.items()}
    units = next(iter(values.values())).shape[1]
    return Measured(metric="answer_score", values=values, groups=list(range(units)))


def arm_rows(measured: Measured, *, n_bootstrap: int, seed: int) -> list[dict[str, Any]]:
    """Each arm's mean over seeds and units, with the interval over units."""
    rows = []
    for arm, values in measured.values.items():
        found = bootstrap_ci(values.mean(0), n_bootstrap=n_bootstrap, seed=seed, groups=measured.groups)
        rows.append(
            {
                "arm": arm,
                "metric": measured.metric,
                "mean": found.estimate,
                "ci95": [found.low, found.high],
                "per_seed": values.mean(1).tolist(),
            }
        )
    return rows


def comparisons(measured: Measured, *, n_bootstrap: int, seed: int) -> list[dict[str, Any]]:
    """Each other arm against doing nothing, on the same units and seeds."""
    base, rows = measured.values[AS_GIVEN], []
    for arm, values in measured.values.items():
        if arm == AS_GIVEN:
            continue
        over_units = paired_difference(
            values.mean(0), base.mean(0), n_bootstrap=n_bootstrap, seed=seed, groups=measured.groups
        )
        per_seed = (values - base).mean(1)
        over_seeds = bootstrap_ci(per_seed, n_bootstrap=n_bootstrap, seed=seed) if len(per_seed) > 1 else None
        rows.append(
            {
                "metric": measured.metric,
                "a": arm,
                "b": AS_GIVEN,
                "difference": over_units.estimate,
                "ci95": [over_units.low, over_units.high],
                "p_value": over_units.p_value,
                "units": values.shape[1],
                "groups": over_units.n_units,
                "seeds": len(per_seed),
                "ci95_over_seeds": None if over_seeds is None else [over_seeds.low, over_seeds.high],
                "per_seed": per_seed.tolist(),
            }
        )
    return rows


def _common(gaps: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    every = [one for seeds in gaps.values() for one in seeds]
    if any(set(one) != set(every[0]) for one in every):
        raise InputError("the models were measured on different held-out pairs", expected="the same pairs")
    return list(every[0])
