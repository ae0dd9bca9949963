"""Weighted logistic regression on soft labels with an L1 penalty, many replicates at once.

Each replicate b minimises, over w in R^k,

    Σ_i s_bi · [log(1 + exp(η_bi)) − p_i η_bi]  +  Σ_j λ_j |w_j|,      η_bi = Σ_j w_j x_bij

which is liblinear's problem with λ = 1/C once every row is written twice, as y=1 with weight p·s and as
y=0 with weight (1−p)·s. With k of 2 or 3, a proximal Newton step is a k×k problem per replicate, so a
thousand bootstrap refits cost a few passes over the data.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
EXACT = 3  # coefficients up to which a step tries all 3^k sign patterns, so that it never stops short


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a design: k columns, each (n,) shared by all replicates or (B, n); `targets` (n,) in [0, 1].

    `weights` is (n,) or (B, n). A row with weight 0 takes no part.
    """

    columns: tuple[Array, ...]
    targets: Array
    weights: Array


def sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def fit(
    blocks: Sequence[Rows],
    penalty: Array,
    *,
    replicates: int = 1,
    start: Array | None = None,
    max_steps: int = 100,
    tolerance: float = 1e-10,
) -> Array:
    """Coefficients (B, k) that minimise the penalised loss over all blocks together.

    Args:
        blocks: parts of the design; they are separate so that fixed rows need not be repeated B times.
        penalty: (k,) the λ_j, 0 for a coefficient that is not penalised.
        start: (k,) or (B, k), where to begin; zeros by default.
        tolerance: largest step, in any coefficient, that counts as arrived.
    """
    k = len(blocks[0].columns)
    w = np.zeros((replicates, k)) if start is None else np.broadcast_to(start, (replicates, k)).copy()
    loss = _objective(blocks, w, penalty)
    for _ in range(max_steps):
        gradient, hessian = _derivatives(blocks, w)
        step = _solve_quadratic(w, gradient, hessian, penalty) - w
        size = np.ones((replicates, 1))
        new = w + step
        new_loss = _objective(blocks, new, penalty)
        for _ in range(30):  # halve the step only where the loss rose
            worse = new_loss > loss + 1e-12 * np.abs(loss)
            if not worse.any():
                break
            size[worse] /= 2
            new = w + size * step
            new_loss = _objective(blocks, new, penalty)
        moved = np.abs(new - w).max()
        w, loss = new, new_loss
        if moved < tolerance:
            break
    return w


def take(rows: Rows, which: NDArray[np.int64]) -> Rows:
    """The rows at these places, with columns and weights of shape (n,) or (B, n)."""
    return Rows(
        columns=tuple(column[..., which] for column in rows.columns),
        targets=rows.targets[which],
        weights=rows.weights[..., which],
    )


def log_likelihood(rows: Rows, w: Array) -> Array:
    """Weighted log-likelihood of each row under each replicate's coefficients, (B, n)."""
    eta = _linear(rows, w)
    return rows.weights * (rows.targets * eta - _softplus(eta))


def _softplus(eta: Array) -> Array:
    """log(1 + e^η) without overflow."""
    return np.maximum(eta, 0) + np.log1p(np.exp(-np.abs(eta)))


def _linear(block: Rows, w: Array) -> Array:
    """η, shape (B, n)."""
    return sum((w[:, j, None] * column for j, column in enumerate(block.columns)), np.zeros((len(w), 1)))


def _objective(blocks: Sequence[Rows], w: Array, penalty: Array) -> Array:
    total = np.abs(w) @ penalty
    for block in blocks:
        total = total - log_likelihood(block, w).sum(axis=1)
    return total


def _derivatives(blocks: Sequence[Rows], w: Array) -> tuple[Array, Array]:
    replicates, k = w.shape
    gradient, hessian = np.zeros((replicates, k)), np.zeros((replicates, k, k))
    for block in blocks:
        p = sigmoid(_linear(block, w))
        residual = block.weights * (p - block.targets)
        curvature = block.weights * p * (1 - p)
        for i, x in enumerate(block.columns):
            gradient[:, i] += (residual * x).sum(axis=1)
            curved = curvature * x
            for j in range(i, k):
                hessian[:, i, j] += (curved * block.columns[j]).sum(axis=1)
    for i in range(k):
        for j in range(i):
            hessian[:, i, j] = hessian[:, j, i]
    return gradient, hessian


def _solve_quadratic(w: Array, gradient: Array, hessian: Array, penalty: Array) -> Array:
    """argmin_v g·(v−w) + ½(v−w)ᵀH(v−w) + Σ λ|v|, (B, k)."""
    linear = gradient - np.einsum("bij,bj->bi", hessian, w)  # of v, once H(v−w) is multiplied out
    if len(penalty) > EXACT:
        return _by_descent(w, linear, hessian, penalty)
    v, arrived = _on_orthant(np.sign(w), linear, hessian, penalty)
    for pattern in itertools.product((1.0, -1.0, 0.0), repeat=len(penalty)):
        rest = ~arrived
        if not rest.any():
            break
        signs = np.broadcast_to(pattern, (int(rest.sum()), len(pattern)))
        found, right = _on_orthant(signs, linear[rest], hessian[rest], penalty)
        v[rest] = np.where(right[:, None], found, v[rest])
        arrived[rest] = right
    if not arrived.all():  # rounding left no orthant's conditions met
        rest = ~arrived
        v[rest] = _by_descent(w[rest], linear[rest], hessian[rest], penalty)
    return v


def _on_orthant(
    signs: Array, linear: Array, hessian: Array, penalty: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """The minimum among v of these signs (B, k), where |v| is linear: one linear system. And whether it is
    the minimum everywhere: the signs are as assumed, and no zero is pulled harder than its penalty holds."""
    active = signs != 0
    both = active[:, :, None] & active[:, None, :]
    diagonal = np.einsum("bjj->bj", hessian).max(axis=1)
    ridge = np.maximum(1e-15 * diagonal, 1e-12)[:, None, None] * np.eye(len(penalty))
    system = np.where(both, hessian + ridge, np.eye(len(penalty)))
    v = np.linalg.solve(system, np.where(active, -linear - penalty * signs, 0)[..., None])[..., 0]
    pull = np.abs(linear + np.einsum("bij,bj->bi", hessian, v))
    right = np.where(active, v * signs >= 0, pull <= penalty * (1 + 1e-9) + 1e-12)
    return v, np.asarray(right.all(axis=1))


def _by_descent(w: Array, linear: Array, hessian: Array, penalty: Array, sweeps: int = 200) -> Array:
    """The same by coordinate descent with soft thresholding: for many coefficients, slow where columns are
    nearly alike."""
    v = w.copy()
    curvature = np.maximum(np.einsum("bjj->bj", hessian), 1e-12)
    for _ in range(sweeps):
        before = v.copy()
        for j in range(w.shape[1]):
            slope = linear[:, j] + np.einsum("bj,bj->b", hessian[:, j], v)
            target = v[:, j] - slope / curvature[:, j]
            shrink = penalty[j] / curvature[:, j]
            v[:, j] = np.sign(target) * np.maximum(np.abs(target) - shrink, 0)
        if np.abs(v - before).max() < 1e-12:
            break
    return v
