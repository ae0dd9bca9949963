"""A share of strength that is 0 at first and then grows: for losses that must not judge too early."""

from __future__ import annotations

import torch
from torch import Tensor

UNKNOWN_LENGTH = 1000  # steps assumed where nobody said how long the run is


def strength(step: Tensor, total_steps: int | None, warmup: float, ramp: float) -> Tensor:
    """λ_t () in [0, 1]: 0 for the first `warmup` share of the run, then linear up to 1 over `ramp` of it.

    Args:
        step: () number of training steps done, the loss's own count.
        total_steps: optimiser steps of the run; None assumes 1,000.
        warmup, ramp: shares of the run, each in [0, 1].
    """
    share = step.to(torch.float32) / (total_steps or UNKNOWN_LENGTH)
    if ramp == 0:
        return (share >= warmup).to(torch.float32)
    return ((share - warmup) / ramp).clamp(0, 1)
