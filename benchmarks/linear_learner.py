"""A linear Bradley–Terry learner and its pairs: the quickest thing that learns preferences.

1,000 pairs of 20 features, the true label the sign of a hidden linear reward, the given one as
`gammapo.noise` leaves it. Used by flips.py and by the pictures of docs/audit.md.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gammapo import noise
from gammapo.types import Message, PreferencePair

PAIRS, FEATURES, EPOCHS, BATCH, STEP = 1000, 20, 3, 16, 0.03


def labelled_features(kind: str, rate: float, rng: np.random.Generator, seed: int):
    """Features (PAIRS, FEATURES) of the given chosen less the rejected one, and the wrong labels' ids."""
    features = rng.normal(size=(PAIRS, FEATURES))
    gap = features @ rng.normal(size=FEATURES)
    features *= np.sign(gap)[:, None]
    lengths = rng.integers(20, 200, size=(PAIRS, 2))
    pairs = [
        PreferencePair(
            id=str(i),
            prompt=(Message(role="user", content=str(i)),),
            chosen="c" * int(lengths[i, 0]),
            rejected="r" * int(lengths[i, 1]),
            chosen_score=float(abs(gap[i])),
            rejected_score=0.0,
        )
        for i in range(PAIRS)
    ]
    wrong = (
        frozenset(noise.corrupt(pairs, kind, rate=rate, seed=seed).manifest.flipped) if rate else frozenset()
    )
    features *= np.array([-1.0 if str(i) in wrong else 1.0 for i in range(PAIRS)])[:, None]
    return features, wrong


def learn(
    features: np.ndarray, rows: np.ndarray, rng: np.random.Generator
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Stochastic gradient steps over `rows`: (batch, its reward gaps before the step, weights after it)."""
    theta = np.zeros(FEATURES)
    for _ in range(EPOCHS):
        order = rng.permutation(rows)
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            gaps = features[batch] @ theta
            theta = theta + STEP * features[batch].T @ (1 / (1 + np.exp(gaps)))
            yield batch, gaps, theta
