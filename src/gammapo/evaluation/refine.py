"""How the gamed preferences in `tables/gamed_baselines.csv` were made to agree with published coefficients.

The gamed rows enter every fit only through the sums Σ p·x of their preferences p. The published fit of a
gamed model g on its own n rows x_i (with offset column 1), plus all gamed rows z_j (offset column 0) at
weight 0.1, is at its optimum, so

    Σ_i p_i x_i + 0.1 Σ_j p_j z_j  =  Σ_i σ(w·x_i) x_i + 0.1 Σ_j σ(w·z_j) z_j + λ sign(w).

Two such fits give the sums of both. The offset's equation, whose left side is the published win rate,
gives λ. Each preference is then moved as little as possible (least squares, within [0, 1]) to meet them.
No other model's judgements are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gammapo.evaluation.glm import sigmoid
from gammapo.evaluation.length_problem import GAMED_WEIGHT, GRID

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class GamedModel:
    """One gamed model: (n,) length gaps in deviations, difficulties, first guess of preferences in [0, 1];
    its published (3,) coefficients (length, difficulty, offset) and win rate in points."""

    length_gap: Array
    difficulty: Array
    preference: Array
    coefficients: Array
    win_rate: float

    @property
    def design(self) -> Array:
        return np.stack([np.tanh(self.length_gap), self.difficulty, np.ones_like(self.difficulty)], axis=1)


def published_penalty(model: GamedModel) -> float:
    """λ = 1/C of the published fit: the candidate whose offset equation comes nearest the win rate."""
    design, w = model.design, model.coefficients
    gap = len(design) * model.win_rate / 100 - sigmoid(design @ w).sum()
    candidates = 1 / GRID
    return float(candidates[np.argmin(np.abs(np.sign(w[2]) * candidates - gap))])


def refine(models: list[GamedModel]) -> list[Array]:
    """The preferences of each gamed model, moved so that every published score equation holds."""
    everything = np.concatenate([model.design for model in models])
    everything[:, 2] = 0  # gamed rows have no offset where they serve as extra rows
    sides = []
    for model in models:
        design, w = model.design, model.coefficients
        side = design.T @ sigmoid(design @ w) + np.sign(w) * published_penalty(model)
        sides.append(side + GAMED_WEIGHT * everything.T @ sigmoid(everything @ w))
    total = np.sum(sides, axis=0) / (1 + GAMED_WEIGHT * len(models))
    refined = []
    for model, side in zip(models, sides, strict=True):
        needed = side - GAMED_WEIGHT * total
        needed[2] = len(model.design) * model.win_rate / 100
        refined.append(_nearest(model.design, model.preference, needed))
    return refined


def _nearest(design: Array, preference: Array, sums: Array) -> Array:
    """The preferences nearest to the given ones, within [0, 1], with Σ p·x = sums."""
    moved = preference.copy()
    for _ in range(500):
        gap = sums - design.T @ moved
        if np.abs(gap).max() < 1e-10:
            break
        moved = np.clip(moved + design @ np.linalg.solve(design.T @ design, gap), 0, 1)
    return moved
