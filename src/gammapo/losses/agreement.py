"""What labels have earned: how far they agree with a model that has not trained on them.

The agreement of labelled pairs with reward gaps r_i is

    a = Σ r_i / Σ |r_i|   in [−1, 1],

the share of the gaps' size that points the labels' way less the share that points the other. It knows no
scale. Labels drawn at random have mean 0 and standard error √Σr² / Σ|r|; and since a flip turns the sign of
its gap, flips of rate ε that do not depend on the gap shrink the expectation of a by exactly 1 − 2ε. What is
left after one standard error is the trust that the loss puts into labels:

    s = min(1, max(0, a − standard error) / full)

Source: this project. The gaps must be those of pairs before the model has trained on them: gaps of pairs that
it has learnt by heart agree with their labels, wrong or right.
"""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def agreement(gaps: Tensor) -> tuple[Tensor, Tensor]:
    """a and its standard error under random labels, each (), of reward gaps (N,); 0 and 1 without any gap."""
    gaps = gaps.float()
    size = gaps.abs().sum()
    if not size > 0:
        return torch.zeros_like(size), torch.ones_like(size)
    return gaps.sum() / size, gaps.square().sum().sqrt() / size


@torch.no_grad()
def trust(gaps: Tensor, full: float) -> Tensor:
    """s () in [0, 1], of reward gaps (N,) of pairs new to the model; 1 from an agreement of `full` on."""
    found, error = agreement(gaps)
    return ((found - error) / full).clamp(0, 1)
