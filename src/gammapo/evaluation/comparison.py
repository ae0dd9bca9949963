"""Two or more models on the same instructions: who beats whom, said so that a person can act on it.

Every model is recomputed on the same resamples of instructions, so a difference has the spread of paired
data; over all pairs, Holm's correction keeps the chance of any false verdict at 5 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np

from gammapo.errors import InputError
from gammapo.evaluation.annotations import Annotations
from gammapo.evaluation.bootstrap import (
    FEW,
    Difference,
    Interval,
    as_difference,
    bootstrap_ci,
    holm,
    paired_difference,
    percentile,
    resample,
)
from gammapo.evaluation.checks import check
from gammapo.evaluation.evaluate import NO_LC, Evaluation, Options, evaluate, labels

Metric = Literal["lc", "wr"]
NAMES = {"lc": "length-controlled win rate", "wr": "win rate"}
LEAST_COMMON = 0.5  # share of a file's instructions that must be common to all


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One model: its interval in points, over the common instructions, and doubts about its outputs."""

    name: str
    interval: Interval
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Model `first` (the one with the higher rate) against `second`; `p_holm` is corrected over all pairs."""

    first: str
    second: str
    difference: Difference
    p_holm: float
    suspect: tuple[str, ...] = ()  # those of the two whose outputs raise warnings

    @property
    def clear(self) -> bool:
        return self.p_holm < 0.05

    @property
    def sentence(self) -> str:
        gap = self.difference
        reach = (gap.high - gap.low) / 2
        if self.clear:
            text = f"{self.first} beats {self.second} by {gap.estimate:.1f} ± {reach:.1f}"
        else:
            text = f"{self.first} cannot be told from {self.second} ({gap.estimate:+.1f} ± {reach:.1f})"
        if self.suspect:
            text += f", but the outputs of {' and '.join(self.suspect)} are suspect"
        return text


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All models, best first, and a verdict on every pair."""

    metric: Metric
    reference: str
    n_common: int
    n_bootstrap: int
    standings: tuple[Standing, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "metric": self.metric,
            "reference": self.reference,
            "n_common": self.n_common,
            "n_bootstrap": self.n_bootstrap,
            "standings": [
                {
                    "generator": s.name,
                    "estimate": s.interval.estimate,
                    "ci95": [s.interval.low, s.interval.high],
                    "warnings": list(s.warnings),
                }
                for s in self.standings
            ],
            "pairs": [
                {
                    "first": v.first,
                    "second": v.second,
                    "difference": v.difference.estimate,
                    "ci95": [v.difference.low, v.difference.high],
                    "p_value": v.difference.p_value,
                    "p_holm": v.p_holm,
                    "verdict": v.sentence,
                }
                for v in self.verdicts
            ],
            "warnings": list(self.warnings),
        }


def compare(
    files: Sequence[Annotations], *, metric: Metric = "lc", options: Options | None = None
) -> Comparison:
    """Compare models that were judged against the same reference.

    Models are compared on the instructions that every file holds and has judged; what is left out is
    counted in `warnings`.

    Raises:
        InputError: fewer than two files, references that differ, too few common instructions, or a
            length-controlled rate that cannot be estimated.
    """
    options = options or Options()
    if len(files) < 2:
        raise InputError(f"{len(files)} file", expected="two or more files to compare")
    common, warnings = _common(files, options)
    if len(common[0]) < FEW:
        warnings.append(f"only {len(common[0])} instructions are compared: the intervals are rough")
    alone = replace(options, bootstrap=0, allow=(*options.allow, "missing", "unknown"))
    evaluations = [evaluate(file, alone) for file in common]
    names = labels(evaluations)
    statistics = [_statistic(evaluation, metric) for evaluation in evaluations]
    n = len(common[0])
    estimates = np.array([statistic.estimate for statistic in statistics])
    replicates, _ = resample(statistics, n_bootstrap=max(options.bootstrap, 2), seed=options.seed)
    by_t = metric == "wr" and n < FEW  # as `bootstrap_ci` has it; LC is no mean

    def interval(i: int) -> Interval:
        return bootstrap_ci(statistics[i]) if by_t else percentile(float(estimates[i]), replicates[i], n)

    def gap(a: int, b: int) -> Difference:
        if by_t:
            return paired_difference(statistics[a], statistics[b])
        return as_difference(percentile(float(estimates[a] - estimates[b]), replicates[a] - replicates[b], n))

    order = np.argsort(-estimates, kind="stable")
    standings = tuple(
        Standing(
            name=names[i],
            interval=interval(i),
            warnings=tuple(suspicion.message for suspicion in evaluations[i].suspicions),
        )
        for i in order
    )
    pairs = list(combinations(order, 2))
    gaps = [gap(a, b) for a, b in pairs]
    corrected = holm([gap.p_value for gap in gaps])
    verdicts = tuple(
        Verdict(
            first=names[a],
            second=names[b],
            difference=gap,
            p_holm=float(p),
            suspect=tuple(names[i] for i in (a, b) if evaluations[i].suspicions),
        )
        for (a, b), gap, p in zip(pairs, gaps, corrected, strict=True)
    )
    return Comparison(
        metric=metric,
        reference=", ".join(dict.fromkeys(evaluation.reference for evaluation in evaluations)),
        n_common=n,
        n_bootstrap=replicates.shape[1],
        standings=standings,
        verdicts=verdicts,
        warnings=tuple(warnings),
    )


def _common(files: Sequence[Annotations], options: Options) -> tuple[list[Annotations], list[str]]:
    """Every file's rows on the shared, judged instructions, all in the first file's order."""
    references = {file.reference for file in files}
    warnings = []
    if len(references) > 1:
        problem = "the files have different references: " + ", ".join(sorted(references))
        if "reference" not in options.allow:
            raise InputError(
                problem, field="generator_1", fix="compare files with one reference, or --allow reference"
            )
        warnings.append(problem)
    checked = []
    for file in files:
        found = check(
            file,
            allow=options.allow,
            reference=options.reference,
            expected=options.expected_instructions,
            tables=options.tables,
        )
        checked.append(found.annotations)
        warnings += [f"{file.generator}: {warning}" for warning in found.warnings]
    places = []
    for file in checked:
        rows = {text: row for row, text in enumerate(file.instructions) if np.isfinite(file.preferences[row])}
        if len(set(file.instructions)) < len(file):
            raise InputError(
                "an instruction is repeated, so rows cannot be paired",
                file=file.origin,
                field="instruction",
                fix="keep one row an instruction",
            )
        places.append(rows)
    shared = [text for text in places[0] if all(text in rows for rows in places)]
    for file in checked:
        left_out = len(file) - len(shared)
        if len(shared) < LEAST_COMMON * len(file):
            raise InputError(
                f"only {len(shared)} of {len(file)} instructions are common to all files",
                file=file.origin,
                field="instruction",
                expected="files about the same instructions",
            )
        if left_out:
            warnings.append(f"{file.generator}: {left_out} rows are not judged in every file and left out")
    if len(shared) < 2:
        raise InputError(
            f"{len(shared)} instruction{'s' * (len(shared) != 1)} judged in every file",
            file=checked[0].origin,
            field="instruction",
            expected="at least 2, to see how far instructions differ",
        )
    return [
        file.take([rows[text] for text in shared]) for file, rows in zip(checked, places, strict=True)
    ], warnings


def _statistic(evaluation: Evaluation, metric: Metric):
    if metric == "wr":
        return evaluation.win_rate
    if evaluation.length_controlled is None:
        raise InputError(
            next(warning for warning in evaluation.warnings if warning.startswith(NO_LC)),
            file=evaluation.origin,
            fix="compare with --metric wr",
        )
    return evaluation.length_controlled
