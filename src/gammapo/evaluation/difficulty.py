"""Instruction difficulty for one's own sets, estimated from several models judged on the same instructions.

For model m on instruction i the preference is σ(own_mi + δ_i), where own_mi is the model's length term and
offset and δ_i ~ N(0, 1) is how much the instruction favours models over the reference. A model's difficulty
comes from the other models only, so that its own preferences are not explained by themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError
from gammapo.evaluation import glm

Array = NDArray[np.float64]
FEWEST_MODELS = 3
WEAK = 1e-2  # penalty on each model's own two coefficients


def joint_difficulty(scores: Array, length_gaps: Array) -> Array:
    """Difficulty of n instructions for each of M models, from the M − 1 others.

    Args:
        scores: (M, n) preferences in [0, 1], NaN where not judged.
        length_gaps: (M, n) characters of the reference − characters of the model.

    Returns:
        (M, n), in log-odds, mean 0 a model; 0 where no other model was judged.

    Raises:
        InputError: fewer than three models, or shapes that differ.
    """
    if scores.shape != length_gaps.shape or scores.ndim != 2:
        raise InputError(
            f"scores {scores.shape} and length gaps {length_gaps.shape}", expected="two arrays (M, n)"
        )
    if len(scores) < FEWEST_MODELS:
        raise InputError(
            f"{len(scores)} models judged on the same instructions",
            expected=f"at least {FEWEST_MODELS}, to estimate difficulty for each from the others",
            fix="give more annotation files, or leave joint difficulty out",
        )
    judged = ~np.isnan(scores)
    filled = np.where(judged, scores, 0.5)
    own = np.stack([_own_terms(*row) for row in zip(filled, judged, length_gaps, strict=True)])
    return np.stack([_others(model, filled, judged, own) for model in range(len(scores))])


def _own_terms(score: Array, judged: Array, gaps: Array) -> Array:
    """Length term and offset of one model, (n,), fitted without difficulty."""
    spread = gaps.std(ddof=1) if len(gaps) > 1 else 0.0
    columns = (np.tanh(gaps / spread) if spread > 0 else np.zeros_like(gaps), np.ones_like(gaps))
    rows = glm.Rows(columns=columns, targets=score, weights=judged.astype(np.float64)[None])
    w = glm.fit([rows], np.full(2, WEAK))[0]
    return w[0] * columns[0] + w[1] * columns[1]


def _others(model: int, scores: Array, judged: Array, own: Array) -> Array:
    """argmin_δ Σ_{m ≠ model} loss(p_mi, own_mi + δ_i) + δ_i²/2, by Newton's method on each δ_i."""
    others = [m for m in range(len(scores)) if m != model]
    delta = np.zeros(scores.shape[1])
    for _ in range(50):
        p = glm.sigmoid(own[others] + delta)
        slope = (judged[others] * (p - scores[others])).sum(axis=0) + delta
        curvature = (judged[others] * p * (1 - p)).sum(axis=0) + 1
        step = np.clip(slope / curvature, -2, 2)
        delta = delta - step
        if np.abs(step).max() < 1e-9:
            break
    return delta - delta.mean()
