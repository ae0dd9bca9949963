"""The posterior that a label is right, from the model's belief and a running rate of right labels (RE-PO)."""

from __future__ import annotations

from torch import Tensor

LEAST = 1e-4  # the rate is held this far from 0 and 1, where it could never move again


def posterior(z: Tensor, eta: Tensor) -> Tensor:
    """w = ηp / (ηp + (1−η)(1−p)) with p = σ(z), which is σ(logit η + z). (B,), without gradient."""
    return (eta.to(z).logit() + z.detach()).sigmoid()


def following(eta: Tensor, w: Tensor, ema: float) -> Tensor:
    """The rate of right labels after this step: (1 − ema) η + ema · mean w."""
    return ((1 - ema) * eta.to(w) + ema * w.mean()).clamp(LEAST, 1 - LEAST)
