"""The length-controlled win rate: what the win rate would be if both answers were equally long.

A logistic model of the preference with three terms (length gap, instruction difficulty, offset) is fitted
and then read with the length gap set to zero (Dubois et al., arXiv 2404.04475, Sec. 3):

    p_i = σ(w_length · tanh(d_i / sd(d)) + w_difficulty · difficulty_i + w_offset)
    LC  = 100 · mean_i σ(w_difficulty · difficulty_i + w_offset)

with d_i = characters of the reference − characters of the model. Against the official reference, 1610 rows
of two gamed versions of it (weight 0.1, no offset) keep the length coefficient sane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gammapo.errors import InputError
from gammapo.evaluation import glm
from gammapo.evaluation.length_problem import GRID, Problem, choose_penalty
from gammapo.evaluation.tables import LengthTables, packaged_tables
from gammapo.evaluation.winrate import as_scores

Array = NDArray[np.float64]

FEWEST = 10  # judged rows below which no length coefficient can be estimated
REFERENCE_MATCH = 0.95  # share of known reference lengths from which the reference counts as the official one


class NotEstimableError(InputError):
    """The rows are sound, and say nothing of what the win rate would be at equal length."""


@dataclass(frozen=True, kw_only=True)
class LengthControlled:
    """A length-controlled win rate in points.

    `lc_standard_error` is the public evaluator's: the spread of the predictions over √n. It leaves out
    the error of the coefficients and is too small by a factor of two to five; `bootstrap_ci` gives the
    honest one. `weights` are the coefficients (length, difficulty, offset), `C` the chosen inverse penalty.
    `difficulty` says where difficulties are from: "official", "given" or "none". `predictions` (n,) are
    the preferences in [0, 1] at equal length.
    """

    length_controlled_winrate: float
    lc_standard_error: float
    weights: dict[str, float]
    C: float
    n_total: int
    difficulty: Literal["official", "given", "none"]
    gamed: bool
    warnings: tuple[str, ...] = ()
    predictions: Array = field(repr=False, compare=False)
    problem: Problem = field(repr=False, compare=False)

    @property
    def estimate(self) -> float:
        return self.length_controlled_winrate

    @property
    def n_rows(self) -> int:
        return self.problem.n_rows

    def replicate(self, counts: Array) -> Array:
        """LC of each resample, the regression refitted at the chosen C; `counts` (B, n). Returns (B,)."""
        if self.problem.is_self_comparison:
            return np.full(len(counts), 50.0)
        start = np.array(list(self.weights.values()))
        parts = []
        for chunk in np.array_split(counts, max(1, -(-len(counts) // 200))):  # 200 at a time stay in cache
            w = glm.fit(
                self.problem.blocks(chunk),
                self.problem.penalty(self.C),
                replicates=len(chunk),
                start=start,
                max_steps=30,
                tolerance=1e-5,
            )
            parts.append(100 * (chunk * self.problem.at_equal_length(w)).sum(axis=1) / chunk.sum(axis=1))
        return np.concatenate(parts)


def length_controlled(
    preferences: ArrayLike,
    model_lengths: ArrayLike,
    reference_lengths: ArrayLike,
    *,
    instructions: Sequence[str] | None = None,
    difficulty: ArrayLike | None = None,
    gamed: Literal["auto"] | None = "auto",
    join: Literal["instruction", "position"] = "instruction",
    tables: LengthTables | None = None,
) -> LengthControlled:
    """Length-controlled win rate of one model. Nothing in it is random: folds and solver are deterministic.

    Args:
        preferences: (n,) in [1, 2], as for `win_rate`; NaN where not judged.
        model_lengths, reference_lengths: (n,) characters of the two outputs.
        instructions: (n,) texts; where the tables know them all, the official difficulties are used.
        difficulty: (n,) difficulties of your own, on any scale, instead. Without either, the term is
            dropped, and `warnings` says so.
        gamed: "auto" adds the gamed rows where the official difficulties are used and the reference
            lengths are the official reference's; None never does.
        join: "instruction" finds a row's difficulty by the hash of its instruction. "position" takes the
            official difficulties in the order of the rows, as the public leaderboard does: right only for
            complete files in the official order, and offered for comparison with published numbers.
        tables: the tables to use; the packaged ones by default.

    Raises:
        NotEstimableError: fewer than 10 judged rows; or, without gamed rows, answers that are all longer (or
            shorter) than the reference's by much the same.
        InputError: shapes differ, or a value that cannot be used.
    """
    scores = as_scores(preferences)
    gaps = _lengths(reference_lengths, "reference_lengths", len(scores))
    gaps = gaps - _lengths(model_lengths, "model_lengths", len(scores))
    judged = int((~np.isnan(scores)).sum())
    if judged < FEWEST:
        raise NotEstimableError(
            f"{judged} judged rows are too few to control for length",
            field="preferences",
            expected=f"at least {FEWEST}",
        )
    tables = tables or packaged_tables()
    if join == "position":
        known, source, official, notes = _by_position(tables, len(scores), instructions)
    else:
        known, source, official, notes = _difficulty(
            difficulty, instructions, reference_lengths, tables, len(scores)
        )
    problem = Problem(
        scores=scores,
        length_gaps=gaps,
        difficulty=known,
        tables=official if gamed == "auto" else None,
    )
    if problem.is_self_comparison:
        return _result(problem, np.zeros((1, 2 if known is None else 3)), GRID[-1], source, notes)
    if not problem.tells_length_from_offset:
        raise NotEstimableError(
            "the answers differ from the reference's in length by much the same everywhere, so that length "
            "cannot be told from quality",
            field="lengths",
            expected="some answers about as long as the reference's",
            fix="go by the raw win rate, or judge against a reference of like length",
        )
    C = choose_penalty(problem)
    coefficients = glm.fit(problem.blocks(np.ones((1, len(scores)))), problem.penalty(C))
    notes = [*notes, *_doubts(problem, coefficients, C)]
    return _result(problem, coefficients, C, source, notes)


def _result(
    problem: Problem, w: Array, C: float, source: Literal["official", "given", "none"], notes: list[str]
) -> LengthControlled:
    predictions = problem.at_equal_length(w)[0]
    names = ("length", "offset") if problem.difficulty is None else ("length", "difficulty", "offset")
    return LengthControlled(
        length_controlled_winrate=100 * float(predictions.mean()),
        lc_standard_error=100 * float(predictions.std(ddof=1)) / len(predictions) ** 0.5,
        weights=dict(zip(names, map(float, w[0]), strict=True)),
        C=float(C),
        n_total=int((~np.isnan(problem.scores)).sum()),
        difficulty=source,
        gamed=problem.tables is not None,
        warnings=tuple(notes),
        predictions=predictions,
        problem=problem,
    )


def _lengths(values: ArrayLike, name: str, n: int) -> Array:
    lengths = np.asarray(values, dtype=np.float64)
    if lengths.shape != (n,):
        raise InputError(f"shape {lengths.shape}", field=name, expected=f"shape ({n},), as preferences")
    if not (np.isfinite(lengths) & (lengths >= 0)).all():
        raise InputError("a length is negative or not finite", field=name, expected="characters, 0 or more")
    return lengths


def _by_position(
    tables: LengthTables, n: int, instructions: Sequence[str] | None
) -> tuple[Array, Literal["official"], LengthTables, list[str]]:
    if n > len(tables.difficulty):
        raise InputError(
            f"{n} rows",
            field="join",
            expected=f"at most {len(tables.difficulty)}, the official set",
            fix="join by instruction",
        )
    notes = []
    if n < len(tables.difficulty):
        notes.append(
            f"difficulty is joined by row position although {len(tables.difficulty) - n} rows are missing: "
            "every row after the first gap has another instruction's difficulty, as on the leaderboard"
        )
    elif instructions is not None:
        other = int((tables.positions(instructions) != np.arange(n)).sum())
        if other:
            notes.append(
                f"difficulty is joined by row position although {other} of {n} rows stand elsewhere in the "
                "official set or not in it, and have another instruction's difficulty, as on the leaderboard"
            )
    return tables.difficulty[:n], "official", tables, notes


def _difficulty(
    given: ArrayLike | None,
    instructions: Sequence[str] | None,
    reference_lengths: ArrayLike,
    tables: LengthTables,
    n: int,
) -> tuple[Array | None, Literal["official", "given", "none"], LengthTables | None, list[str]]:
    """Difficulties, where they are from, the gamed tables if they apply, and what must be said aloud."""
    if given is not None:
        values = np.asarray(given, dtype=np.float64)
        if values.shape != (n,) or not np.isfinite(values).all():
            raise InputError(f"shape {values.shape}", field="difficulty", expected=f"{n} finite numbers")
        return (
            values,
            "given",
            None,
            ["difficulty was given, so the gamed rows of the official set are left out"],
        )
    dropped = "instruction difficulty is not known here and its term is dropped; LC corrects for length alone"
    if instructions is None:
        return None, "none", None, [dropped]
    if len(instructions) != n:
        raise InputError(f"{len(instructions)} instructions", field="instructions", expected=f"{n}")
    places = tables.positions(instructions)
    unknown = int((places < 0).sum())
    if unknown:
        if unknown < n:
            dropped = f"{unknown} of {n} instructions are not of the official set: " + dropped
        return None, "none", None, [dropped]
    same = np.mean(tables.reference_length[places] == np.asarray(reference_lengths))
    if same >= REFERENCE_MATCH:
        return tables.difficulty[places], "official", tables, []
    other = "the reference's outputs are not the official reference's, so its gamed rows are left out"
    return tables.difficulty[places], "official", None, [other]


def _doubts(problem: Problem, coefficients: Array, C: float) -> list[str]:
    """Where the number rests on more than the data can carry."""
    notes = []
    if np.isclose(C, GRID[0]):
        notes.append("cross-validation chose the strongest penalty: length explains nothing here")
    judged = ~np.isnan(problem.scores)
    raw = 100 * problem.scores[judged].mean()
    lc = 100 * problem.at_equal_length(coefficients)[0].mean()
    if lc < min(raw - raw / 4, raw - 10) or lc > max(raw + (100 - raw) / 4, raw + 10):
        notes.append(f"LC ({lc:.1f}) is far from the raw win rate ({raw:.1f}): read both")
    gaps = problem.length_gaps[judged]
    longer, shorter = (gaps < 0).mean(), (gaps > 0).mean()
    if max(longer, shorter) > 0.9 and problem.tables is None:
        side = "longer" if longer > shorter else "shorter"
        notes.append(
            f"{100 * max(longer, shorter):.0f} % of the answers are {side} than the reference's: "
            "equal length is an extrapolation"
        )
    if problem.scores[judged].min() == problem.scores[judged].max():
        notes.append("every judged row has the same preference: LC is at the edge of what can be estimated")
    return notes
