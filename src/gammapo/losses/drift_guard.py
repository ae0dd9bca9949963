"""The drift guard: a penalty on what a label cannot touch.

A pair's two log-probs are a difference, which depends on the label, and a mean, which does not. The guard
holds the mean near the reference's, so that no flipped label can turn it the wrong way:

    g = max(0, d − slack)²,   d = ½ [(s̄_w^ref − s̄_w) + (s̄_l^ref − s̄_l)]   (nats per token)

Source: this project. Only a fall of the mean is penalised, and only beyond `slack`.
"""

from __future__ import annotations

from torch import Tensor

from gammapo.losses.parts import log_ratios_per_token
from gammapo.types import PairLogps


def drift(logps: PairLogps) -> Tensor:
    """d (B,): how far the pair's mean log-prob has fallen under the reference's, nats per token."""
    chosen, rejected = log_ratios_per_token(logps)
    return -(chosen + rejected) / 2


def drift_guard(logps: PairLogps, slack: float | Tensor) -> Tensor:
    """g (B,), the same whichever answer is labelled better."""
    return (drift(logps) - slack).relu().square()
