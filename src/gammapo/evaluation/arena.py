"""Models judged against each other: one pair head to head, or many pairs on one scale.

Bradley-Terry (1952) gives each model a strength θ with P(a beats b) = σ(θ_a − θ_b). A graded preference
enters as a soft label. Ratings are in Elo points, 400·θ/ln 10, with the mean of all models at 0.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError
from gammapo.evaluation import glm
from gammapo.evaluation.annotations import Annotations
from gammapo.evaluation.bootstrap import Difference, Interval, as_difference, bootstrap_ci, draws, percentile
from gammapo.evaluation.evaluate import Evaluation, Options, evaluate

Array = NDArray[np.float64]
ELO = 400 / np.log(10)
WEAK = 1e-4  # keeps a model that won everything at a finite rating


@dataclass(frozen=True, kw_only=True)
class HeadToHead:
    """`evaluation.generator` against `evaluation.reference`; `edge` is its win rate less 50, in points."""

    evaluation: Evaluation
    edge: Difference

    @property
    def sentence(self) -> str:
        model, other = self.evaluation.generator, self.evaluation.reference
        low, high = 50 + self.edge.low, 50 + self.edge.high
        total = self.evaluation.win_rate.n_total
        span = f" (95 %: {low:.1f} to {high:.1f})" if np.isfinite(low) else ""  # a single one has no interval
        numbers = f"{50 + self.edge.estimate:.1f} % of {total}{span}"
        if self.edge.p_value >= 0.05:
            return f"{model} cannot be told from {other}: it wins {numbers}"
        if self.edge.estimate > 0:
            return f"{model} beats {other}: it wins {numbers}"
        return f"{model} loses to {other}: it wins {numbers}"


@dataclass(frozen=True, kw_only=True)
class Rating:
    """One model's rating in Elo points, relative to the mean of all models, and its number of comparisons."""

    name: str
    interval: Interval
    n_comparisons: int


def head_to_head(
    annotations: Annotations, *, swapped: Annotations | None = None, options: Options | None = None
) -> HeadToHead:
    """One model against another, from judgements with output_2 from the first and output_1 from the second.

    Args:
        swapped: the same comparisons judged with the outputs in the other order; both are averaged, so
            that a judge's liking for one place cancels.
    """
    options = options or Options()
    file = annotations if swapped is None else both_orders(annotations, swapped)
    result = evaluate(file, options)
    interval = bootstrap_ci(
        result.win_rate, n_bootstrap=max(options.bootstrap, 100), seed=options.seed, groups=file.instructions
    )
    edge = replace(interval, estimate=interval.estimate - 50, low=interval.low - 50, high=interval.high - 50)
    return HeadToHead(evaluation=result, edge=as_difference(edge))


def both_orders(forward: Annotations, backward: Annotations) -> Annotations:
    """Each comparison's preference averaged over the two orders of its outputs; NaN unless both are judged.

    Raises:
        InputError: the second file's sides are not the first's swapped, its instructions differ, or a
            preference in it lies outside [1, 2].
    """
    _refuse_invalid(backward)  # a mean would hide it; the first file's are found where it is evaluated
    rows = {text: row for row, text in enumerate(backward.instructions)}
    if (backward.generator, backward.reference) != (forward.reference, forward.generator):
        raise InputError(
            f"judges {backward.generator!r} against {backward.reference!r}",
            file=backward.origin,
            expected=f"{forward.reference!r} against {forward.generator!r}, the other order",
        )
    if len(rows) != len(backward) or set(rows) != set(forward.instructions) or len(rows) != len(forward):
        raise InputError(
            "the instructions differ from the other order's, or repeat",
            file=backward.origin,
            field="instruction",
            expected=f"the {len(forward)} instructions of {forward.origin}, each once",
        )
    order = [rows[text] for text in forward.instructions]
    return replace(forward, preferences=(forward.preferences + 3 - backward.preferences[order]) / 2)


def ratings(files: Sequence[Annotations], *, n_bootstrap: int = 1000, seed: int = 0) -> list[Rating]:
    """Bradley-Terry ratings of every model in the files, best first, with intervals over instructions.

    A file may hold any pairs of models, also several. Instructions are what is resampled: all comparisons
    on one instruction are drawn together. A resample in which no chain of comparisons connects all models
    tells no rating and is left out.

    Raises:
        InputError: nothing judged, a preference outside [1, 2], models that no chain of comparisons
            connects, or comparisons too few for intervals.
    """
    one = [text for file in files for text in file.references]
    two = [text for file in files for text in file.generators]
    instructions = [text for file in files for text in file.instructions]
    scores = np.concatenate([file.preferences for file in files]) - 1
    for file in files:
        _refuse_invalid(file)
    judged = np.isfinite(scores) & np.array([a != b for a, b in zip(one, two, strict=True)])
    names = sorted({name for name, is_judged in zip(one + two, [*judged, *judged], strict=True) if is_judged})
    place = {name: i for i, name in enumerate(names)}
    kept = np.flatnonzero(judged)
    first = np.array([place[two[row]] for row in kept], dtype=np.int64)
    second = np.array([place[one[row]] for row in kept], dtype=np.int64)
    _check_connected(names, first, second)
    units, chunks = draws(
        len(kept), n_bootstrap=n_bootstrap, seed=seed, groups=[instructions[row] for row in kept]
    )
    every = itertools.chain([np.ones((1, len(kept)))], chunks)  # the file as it is, then its resamples
    parts = [_bradley_terry(len(names), first, second, scores[kept], counts) for counts in every]
    strengths = ELO * np.concatenate(parts)
    if units < 2 or np.isfinite(strengths[1:, 0]).sum() < 2:  # hardly a resample connects all models
        raise InputError(
            f"{len(kept)} comparison{'s' * (len(kept) > 1)} of {len(names)} models: too few for an interval",
            expected="several comparisons of every model, on several instructions",
        )
    games = np.bincount(first, minlength=len(names)) + np.bincount(second, minlength=len(names))
    found = [
        Rating(
            name=name,
            interval=percentile(float(strengths[0, i]), strengths[1:, i], units),
            n_comparisons=int(games[i]),
        )
        for i, name in enumerate(names)
    ]
    return sorted(found, key=lambda rating: -rating.interval.estimate)


def one_sided(files: Sequence[Annotations]) -> str | None:
    """What is to be said where some models took no point off the others, or None.

    The likelihood then grows with the gap between the two groups for ever (Ford 1957), and what `ratings`
    gives is where its weak penalty stops it.
    """
    beaten: dict[str, set[str]] = {}  # model → those that it took anything from
    for file in files:
        for model, other, score in zip(file.generators, file.references, file.preferences - 1, strict=True):
            if model == other or np.isnan(score):
                continue
            for one, two, share in ((model, other, score), (other, model, 1 - score)):
                beaten.setdefault(one, set()).update({two} if share > 0 else ())
    below = min((_reach(name, beaten) for name in sorted(beaten)), key=len, default=set())
    above = sorted(set(beaten) - below)
    if not above:
        return None
    return (
        f"{', '.join(sorted(below))} took no point off {', '.join(above)}: nothing bounds the gap between "
        "them, and neither these ratings nor their intervals say how large it is"
    )


def _reach(name: str, edges: dict[str, set[str]]) -> set[str]:
    """All that a chain of edges leads to, the start included."""
    reached, frontier = {name}, {name}
    while frontier:
        frontier = {end for start in frontier for end in edges[start]} - reached
        reached |= frontier
    return reached


def _bradley_terry(
    models: int, first: NDArray[np.int64], second: NDArray[np.int64], scores: Array, counts: Array
) -> Array:
    """Strengths (B, K), mean 0; NaN where a resample leaves models unconnected. The likelihood sees only each
    pair's total score, so rows shrink to pairs."""
    pairs, member = np.unique(first * models + second, return_inverse=True)
    indicator = (member[:, None] == np.arange(len(pairs))).astype(np.float64)
    won = (counts * scores) @ indicator
    lost = (counts * (1 - scores)) @ indicator
    signs = np.zeros((models, len(pairs)))
    signs[pairs // models, np.arange(len(pairs))] += 1
    signs[pairs % models, np.arange(len(pairs))] -= 1
    # only differences matter: the model that played most is held at 0, whatever the names
    held = int(np.argmax(np.abs(signs) @ (indicator.sum(axis=0))))
    free = [model for model in range(models) if model != held]
    rows = glm.Rows(
        columns=tuple(np.concatenate([signs[model], signs[model]]) for model in free),
        targets=np.repeat([1.0, 0.0], len(pairs)),
        weights=np.concatenate([won, lost], axis=1),
    )
    strengths = np.zeros((len(counts), models))
    strengths[:, free] = glm.fit([rows], np.full(models - 1, WEAK), replicates=len(counts), tolerance=1e-6)
    strengths -= strengths.mean(axis=1, keepdims=True)
    strengths[~_connected(models, pairs // models, pairs % models, won + lost > 0)] = np.nan
    return strengths


def _connected(
    models: int, first: NDArray[np.int64], second: NDArray[np.int64], played: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(B,) whether the pairs that were `played` (B, P) join all models: each takes over the lowest number
    that it meets, until nothing changes."""
    lowest = np.tile(np.arange(models), (len(played), 1))
    before = np.full_like(lowest, -1)
    while (lowest != before).any():
        before = lowest.copy()
        for a, b, met in zip(first, second, played.T, strict=True):
            low = np.minimum(lowest[:, a], lowest[:, b])
            lowest[:, a] = np.where(met, low, lowest[:, a])
            lowest[:, b] = np.where(met, low, lowest[:, b])
    return (lowest == 0).all(axis=1)


def _refuse_invalid(file: Annotations) -> None:
    if file.invalid:
        raise InputError(
            f"{len(file.invalid)} preferences lie outside [1, 2]",
            file=file.origin,
            **file.place(file.invalid[0], "preference"),
            fix="mend these rows, or set their preference to null",
        )


def _check_connected(names: list[str], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
    if not names:
        raise InputError("no comparison is judged", expected="at least one")
    edges: dict[str, set[str]] = {name: set() for name in names}
    for a, b in set(zip(first.tolist(), second.tolist(), strict=True)):
        edges[names[a]].add(names[b])
        edges[names[b]].add(names[a])
    reached = _reach(names[0], edges)
    if len(reached) < len(names):
        apart = ", ".join(name for name in names if name not in reached)
        raise InputError(
            f"no chain of comparisons leads from {names[0]} to {apart}",
            expected="models that were judged against each other, directly or through others",
        )
