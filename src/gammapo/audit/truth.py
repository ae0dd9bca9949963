"""How well suspicions agree with the known truth, where a noise manifest tells it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True, kw_only=True)
class Truth:
    """`auroc` and `average_precision` are None where no label, or every label, is wrong.

    `calibration_error` is the expected calibration error over ten bins of equal size; `brier` the mean
    squared error of the probabilities; `bins` (mean probability, share of wrong labels, pairs) of each bin.
    """

    flips: int
    rate: float
    auroc: float | None
    average_precision: float | None
    calibration_error: float
    brier: float
    bins: tuple[tuple[float, float, int], ...]


def against_truth(probability: np.ndarray, flipped: np.ndarray) -> Truth:
    """Compare flip probabilities (n,) with which labels are wrong (n,) of bool.

    Pairs of equal probability count alike, each with the share of wrong labels among them, so that the
    order of the file decides nothing where a bin ends among them.
    """
    from sklearn.metrics import average_precision_score, roc_auc_score

    both = 0 < flipped.sum() < len(flipped)
    order = np.argsort(probability, kind="stable")
    _, which, sizes = np.unique(probability, return_inverse=True, return_counts=True)
    wrong = (np.bincount(which, weights=flipped) / sizes)[which]
    bins = [
        (float(probability[part].mean()), float(wrong[part].mean()), len(part))
        for part in np.array_split(order, min(BINS, len(order)))
    ]
    return Truth(
        flips=int(flipped.sum()),
        rate=float(flipped.mean()),
        auroc=float(roc_auc_score(flipped, probability)) if both else None,
        average_precision=float(average_precision_score(flipped, probability)) if both else None,
        calibration_error=sum(count * abs(said - seen) for said, seen, count in bins) / len(order),
        brier=float(np.mean((probability - flipped) ** 2)),
        bins=tuple(bins),
    )
