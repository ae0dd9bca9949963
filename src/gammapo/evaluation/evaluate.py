"""One file of judgements → everything `gammapo winrate` says about it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError
from gammapo.evaluation.annotations import Annotations, read_annotations
from gammapo.evaluation.bootstrap import FEW, Interval, bootstrap_ci
from gammapo.evaluation.checks import check
from gammapo.evaluation.detectors import Suspicion, suspicions
from gammapo.evaluation.difficulty import joint_difficulty
from gammapo.evaluation.length_control import LengthControlled, NotEstimableError, length_controlled
from gammapo.evaluation.tables import OFFICIAL_REFERENCE, LengthTables, packaged_tables
from gammapo.evaluation.winrate import WinRate, win_rate

Array = NDArray[np.float64]
NO_LC = "no LC"  # begins the warning that says why there is none


@dataclass(frozen=True, kw_only=True)
class Options:
    """How files are evaluated. The defaults are `gammapo winrate`'s.

    `bootstrap` is the number of resamples behind the intervals, 0 for none. `allow` names the findings
    (`checks.KINDS`) that are warned of rather than refused. `leaderboard_compatible` joins difficulty by
    row position. `reference` and `expected_instructions` say what a file must hold.
    """

    bootstrap: int = 1000
    seed: int = 0
    leaderboard_compatible: bool = False
    allow: Collection[str] = ()
    reference: str | None = None
    expected_instructions: Sequence[str] | None = None
    tables: LengthTables | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What is known about one model against one reference. Rates and intervals are in points.

    `length_controlled` is None where the rows cannot tell it (too few, or all longer by the same);
    `warnings` then says so. `win_rate_ci` is None for a single judged row.
    `suspicions` are the warnings about the outputs themselves, which put the number in doubt.
    """

    origin: str
    generator: str
    reference: str
    win_rate: WinRate
    win_rate_ci: Interval | None
    length_controlled: LengthControlled | None
    lc_ci: Interval | None
    avg_length: int
    tables: str
    join: str
    warnings: tuple[str, ...]
    suspicions: tuple[Suspicion, ...]
    annotations: Annotations = field(repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """AlpacaEval's key names, then the intervals and what they rest on; JSON-ready."""
        raw, lc = self.win_rate, self.length_controlled
        return {
            "generator": self.generator,
            "reference": self.reference,
            "win_rate": raw.win_rate,
            "standard_error": _finite(raw.standard_error),
            "n_wins": raw.n_wins,
            "n_wins_base": raw.n_wins_base,
            "n_draws": raw.n_draws,
            "n_total": raw.n_total,
            "discrete_win_rate": raw.discrete_win_rate,
            "avg_length": self.avg_length,
            "length_controlled_winrate": None if lc is None else lc.length_controlled_winrate,
            "lc_standard_error": None if lc is None else lc.lc_standard_error,
            "win_rate_ci95": _ends(self.win_rate_ci),
            "lc_ci95": _ends(self.lc_ci),
            "lc_bootstrap_standard_error": None if self.lc_ci is None else _finite(self.lc_ci.standard_error),
            "lc_weights": None if lc is None else lc.weights,
            "lc_difficulty": None if lc is None else lc.difficulty,
            "lc_tables": self.tables,
            "lc_join": self.join,
            "file": self.origin,
            "flags": [suspicion.kind for suspicion in self.suspicions],
            "warnings": list(self.warnings),
        }


def evaluate_files(
    paths: Sequence[str | Path], options: Options | None = None, *, joint: bool = False
) -> list[Evaluation]:
    """Evaluate files of judgements, each for itself; with `joint`, difficulty is estimated across them.

    Raises:
        InputError: as `read_annotations` and `check`; with `joint`, files about different instructions.
    """
    options = options or Options()
    files = [read_annotations(path) for path in paths]
    if not joint:
        return [evaluate(file, options) for file in files]
    return [evaluate(*pair) for pair in zip(files, [options] * len(files), jointly(files), strict=True)]


def evaluate(
    annotations: Annotations, options: Options | None = None, difficulty: Array | None = None
) -> Evaluation:
    """Check, average, control for length, bootstrap; `difficulty` (n,) overrides the tables'."""
    options = options or Options()
    tables = options.tables or packaged_tables()
    checked = check(
        annotations,
        allow=options.allow,
        reference=options.reference,
        expected=options.expected_instructions,
        tables=tables,
    )
    rows, notes = checked.annotations, list(checked.warnings)
    if not np.isfinite(rows.preferences).any():
        raise InputError(
            "no row has a preference",
            file=annotations.origin,
            field="preference",
            expected="a number in [1, 2] in at least one row",
            fix="judge the answers first (gammapo judge)",
        )
    raw = win_rate(rows.preferences)
    notes += _thin(raw)
    lc, lc_notes = _control(rows, raw, options, tables, difficulty)
    notes += lc_notes
    suspected = suspicions(rows.outputs, rows.instructions)
    notes += [suspicion.message for suspicion in suspected]
    # rows of one instruction are not independent: they are drawn together
    groups = rows.instructions if len(set(rows.instructions)) < len(rows) else None
    drawn = {"n_bootstrap": options.bootstrap, "seed": options.seed, "groups": groups}
    official = lc is not None and lc.difficulty == "official"
    return Evaluation(
        origin=annotations.origin,
        generator=rows.generator,
        reference=rows.reference,
        win_rate=raw,
        win_rate_ci=_known(bootstrap_ci(raw, **drawn)) if options.bootstrap else None,
        length_controlled=lc,
        lc_ci=_known(bootstrap_ci(lc, **drawn)) if options.bootstrap and lc is not None else None,
        avg_length=int(rows.model_lengths.mean()),
        tables=tables.source if official else "none",
        join="position" if options.leaderboard_compatible else "instruction",
        warnings=tuple(notes),
        suspicions=suspected,
        annotations=rows,
    )


def labels(evaluations: Sequence[Evaluation]) -> list[str]:
    """Generator names, with the file's name where two are alike."""
    names = [evaluation.generator for evaluation in evaluations]
    return [
        name if names.count(name) == 1 else f"{name} ({evaluation.origin})"
        for name, evaluation in zip(names, evaluations, strict=True)
    ]


def _thin(raw: WinRate) -> list[str]:
    """Where the interval itself is not to be trusted."""
    notes = []
    if raw.n_total < FEW:
        rows = "row is" if raw.n_total == 1 else "rows are"
        notes.append(f"only {raw.n_total} {rows} judged: the intervals are rough")
    if np.nanmin(raw.scores) == np.nanmax(raw.scores):
        notes.append(
            "every judged row has the same preference: the interval's width of 0 understates the doubt"
        )
    return notes


def _control(
    rows: Annotations, raw: WinRate, options: Options, tables: LengthTables, difficulty: Array | None
) -> tuple[LengthControlled | None, list[str]]:
    """The length-controlled win rate, or None and why not."""
    if options.leaderboard_compatible and rows.reference != OFFICIAL_REFERENCE:
        raise InputError(
            f"the leaderboard's reference is {OFFICIAL_REFERENCE!r}, this file's is {rows.reference!r}",
            file=rows.origin,
            field="generator_1",
            fix="leave out --leaderboard-compatible",
        )
    preferences, model_lengths = rows.preferences, rows.model_lengths
    notes = []
    if rows.generator == rows.reference:
        other = sum(a != b for a, b in zip(rows.outputs, rows.reference_outputs, strict=True))
        if other and not options.leaderboard_compatible:  # the leaderboard goes by the name alone
            notes.append(
                f"both sides are named {rows.generator!r}, but {other} of {len(rows)} outputs differ: they "
                "are compared as two models"
            )
        else:
            # equal by construction, whatever a noisy judge said of it
            notes.append(f"{rows.generator!r} is compared with itself: LC is 50 by construction")
            preferences, model_lengths = np.full(len(rows), 1.5), rows.reference_lengths
    try:
        lc = length_controlled(
            preferences,
            model_lengths,
            rows.reference_lengths,
            instructions=rows.instructions,
            difficulty=difficulty,
            join="position" if options.leaderboard_compatible else "instruction",
            tables=tables,
        )
    except NotEstimableError as why:
        return None, [f"{NO_LC}: {why.problem} (expected {why.expected})"]
    if difficulty is not None:
        notes.append("difficulty is estimated from the other files given, not official")
    return lc, [*notes, *lc.warnings]


def jointly(files: Sequence[Annotations]) -> list[Array]:
    """Difficulty of each file's rows, estimated from the other files on the same instructions."""
    order = {text: place for place, text in enumerate(files[0].instructions)}
    for file in files:
        if set(file.instructions) != set(order) or len(file) != len(order):
            raise InputError(
                "joint difficulty needs the same instructions in every file, each once",
                file=file.origin,
                expected=f"the {len(order)} instructions of {files[0].origin}",
            )
    places = [np.array([order[text] for text in file.instructions]) for file in files]
    scores, gaps = np.empty((len(files), len(order))), np.empty((len(files), len(order)))
    for row, (file, place) in enumerate(zip(files, places, strict=True)):
        usable = np.where((file.preferences >= 1) & (file.preferences <= 2), file.preferences, np.nan)
        scores[row, place] = usable - 1
        gaps[row, place] = file.reference_lengths - file.model_lengths
    estimated = joint_difficulty(scores, gaps)
    return [estimated[row][place] for row, place in enumerate(places)]


def _known(interval: Interval) -> Interval | None:
    """None for an interval without ends, that of a single unit."""
    return interval if np.isfinite([interval.low, interval.high]).all() else None


def _ends(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
