"""Generalised cross-entropy: between the log loss, which trusts every label, and the bounded absolute error.

    L_q(z) = (1 − u^q) / q,   u = σ(z);   q → 0 is −log u, q = 1 is 1 − u

Source: arXiv:1805.07836, eq. 6, with σ(z) as the probability of the given label. Its weight on z is
u^q (1 − u): for q > 0 it falls to 0 as the model contradicts the label, where the log loss's rises to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gammapo.losses.parts import log_loss

SMALL = 1e-6  # below it the log loss is exact to the last bit that matters


def bounded_loss(z: Tensor, q: Tensor) -> Tensor:
    """L_q(z), (B,), for q () in [0, 1]; at q = 0 the log loss itself."""
    plain = log_loss(z)
    return torch.where(q < SMALL, plain, -torch.expm1(-q * plain) / q.clamp(min=SMALL))


def bounded_weight(z: Tensor, q: Tensor) -> Tensor:
    """−dL_q/dz = u^q (1 − u), (B,), without gradient."""
    z = z.detach()
    return (-q * log_loss(z)).exp() * (-z).sigmoid()
