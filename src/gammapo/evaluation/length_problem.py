"""The regression behind a length-controlled win rate: its rows, its penalty, its fit at each resample."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gammapo.evaluation import glm
from gammapo.evaluation.tables import LengthTables

Array = NDArray[np.float64]
GRID = np.logspace(-4, 4, 10)  # the candidates for C; λ = 1/C
FOLDS = 5
DISTINCT = 0.1  # spread of the length term, in units of its size, from which it is told from the offset
GAMED_WEIGHT = 0.1  # of a gamed row, relative to a judged row


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The regression of one model: (n,) arrays of scores (NaN unjudged), length gaps and difficulties.

    `difficulty` is None where it is not known. `tables` holds the gamed rows, None to leave them out.
    """

    scores: Array
    length_gaps: Array
    difficulty: Array | None
    tables: LengthTables | None

    @property
    def n_rows(self) -> int:
        return len(self.scores)

    @property
    def is_self_comparison(self) -> bool:
        """Equal lengths and draws everywhere: the model is the reference."""
        judged = self.scores[~np.isnan(self.scores)]
        return bool((self.length_gaps == 0).all() and (judged == 0.5).all())

    @property
    def tells_length_from_offset(self) -> bool:
        """Not where every answer is longer (or shorter) than the reference's by much the same: a win may then
        be due to length or not, and nothing in the rows says which. Gamed rows, which have no offset, do."""
        judged = ~np.isnan(self.scores)
        gaps = self.length_gaps[judged]
        if self.tables is not None or not gaps.any():
            return True
        term = np.tanh(gaps / max(float(gaps.std(ddof=1)), 1e-9))
        return bool(term.std() > DISTINCT * abs(term.mean()))

    def penalty(self, C: float) -> Array:
        """λ per coefficient."""
        return np.full(2 if self.difficulty is None else 3, 1 / C)

    def blocks(self, counts: Array) -> list[glm.Rows]:
        """Judged rows weighted by `counts` (B, n), then the gamed rows at their fixed weight."""
        judged = ~np.isnan(self.scores)
        weights = counts * judged
        columns = [_squashed(self.length_gaps, counts)]
        if self.difficulty is not None:
            columns.append(self.difficulty)
        columns.append(np.ones(self.n_rows))
        rows = [glm.Rows(columns=tuple(columns), targets=np.where(judged, self.scores, 0.5), weights=weights)]
        if self.tables is not None and self.difficulty is not None:
            size = len(self.tables.gamed_preference)
            rows.append(
                glm.Rows(
                    columns=(
                        np.tanh(self.tables.gamed_length_gap),
                        self.tables.gamed_difficulty,
                        np.zeros(size),
                    ),
                    targets=self.tables.gamed_preference,
                    weights=np.full(size, GAMED_WEIGHT),
                )
            )
        return rows

    def at_equal_length(self, coefficients: Array) -> Array:
        """Predicted preference (B, n) in [0, 1] with the length gap set to zero."""
        if self.difficulty is None:
            return glm.sigmoid(np.broadcast_to(coefficients[:, -1:], (len(coefficients), self.n_rows)))
        return glm.sigmoid(coefficients[:, 1:2] * self.difficulty + coefficients[:, -1:])


def choose_penalty(problem: Problem) -> float:
    """The C of the best mean weighted log-likelihood over five folds; the weakest without gamed rows.

    A penalty that pulls the offset draws LC to 50, and one that pulls the length term draws it to the raw
    rate just where they differ most; intervals refitted at a strong C then leave the truth out.

    The folds are those of a grouped five-fold split with equal groups: dealt from the last row backwards,
    gamed rows first and judged rows after them. Length gaps are scaled once, over all rows.
    """
    if problem.tables is None:
        return float(GRID[-1])
    judged = np.flatnonzero(~np.isnan(problem.scores))
    blocks = problem.blocks(np.ones((1, problem.n_rows)))
    own = glm.take(blocks[0], judged)
    ordered = [*blocks[1:], own]  # gamed rows come first
    total = sum(len(block.targets) for block in ordered)
    fold = (total - 1 - np.arange(total)) % FOLDS
    starts = np.cumsum([0] + [len(block.targets) for block in ordered])
    held = [fold[a:b] == np.arange(FOLDS)[:, None] for a, b in itertools.pairwise(starts)]
    training = [
        glm.Rows(columns=b.columns, targets=b.targets, weights=b.weights * ~h)
        for b, h in zip(ordered, held, strict=True)
    ]
    sizes = np.bincount(fold, minlength=FOLDS)
    w = np.zeros((FOLDS, len(own.columns)))
    quality = []
    for C in GRID:  # each fit starts from the one before it, as the penalty loosens
        w = glm.fit(training, problem.penalty(C), replicates=FOLDS, start=w)
        gains = [(glm.log_likelihood(b, w) * h).sum(axis=1) for b, h in zip(ordered, held, strict=True)]
        quality.append(np.mean(sum(gains) / sizes))
    return float(GRID[np.argmax(quality)])


def _squashed(gaps: Array, counts: Array) -> Array:
    """tanh(d / sd(d)) with the sample deviation (ddof 1) of each resample: (B, n), or (n,) for one fit."""
    total = counts.sum(axis=1)
    mean = counts @ gaps / total
    variance = (counts @ gaps**2 / total - mean**2) * total / np.maximum(total - 1, 1)
    scale = np.sqrt(np.maximum(variance, 0))
    # equal gaps everywhere leave a deviation of rounding noise; the term then carries nothing
    usable = scale > 1e-9 * max(1.0, float(np.abs(gaps).max(initial=0)))
    inverse = np.where(usable, 1 / np.where(usable, scale, 1), 0)
    squashed = np.tanh(inverse[:, None] * gaps)
    return squashed[0] if len(counts) == 1 else squashed
