"""How many labels are wrong, and how far a gap can be trusted, from gaps that do not know the labels.

The model of a given label, for a pair of gap r (gammapo hands in gaps of external scores): the gap predicts
the true preference with slope k, and a share ε of the labels is flipped, whatever the gap:

    P(given label | r) = (1−ε) σ(kr) + ε σ(−kr) = ε + (1−2ε) σ(kr)

Flips bound how often even large gaps can agree with their labels (1 − ε), while k says how fast that bound is
reached. Both are averaged over a grid under a prior, so nothing iterates and nothing waits for the device.
Where gaps say nothing of labels, k is near 0 and ε stays at its prior; no pair is then judged by its gap.
Source: this project. The gaps must not have been fitted to the labels: a model's own reward gaps serve only
for pairs that it has not trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

RATES = 17  # grid of ε over [0, 0.48]
SLOPES = 16  # grid of k times the mean size of a gap, from 1/32 to 32


@dataclass(frozen=True, kw_only=True)
class LabelNoise:
    """Posterior means, each (). `slope` is in 1/gap."""

    rate: Tensor
    slope: Tensor


@torch.no_grad()
def label_noise(gaps: Tensor, prior: float = 0.15) -> LabelNoise:
    """ε and k from gaps (N,) of labelled pairs, chosen less rejected.

    Args:
        gaps: of scores, or of rewards before the model has trained on the pairs.
        prior: mean of p(ε) ∝ (1 − 2ε)^a, a = 1/(2·prior) − 2, in (0, 0.25]; on the grid of rates, which
            ends at 0.48, it comes out 0.01 lower.
    """
    gaps = gaps.float()
    size = gaps.abs().mean().clamp(min=1e-12)
    slopes = torch.logspace(-5, 5, SLOPES, base=2, device=gaps.device)
    rates = torch.linspace(0, 0.48, RATES, device=gaps.device)
    agree = (slopes[:, None] * (gaps / size)).sigmoid()  # (slopes, N)
    chance = rates[:, None, None] + (1 - 2 * rates[:, None, None]) * agree  # (rates, slopes, N)
    log_posterior = chance.clamp(min=1e-12).log().sum(-1)
    log_posterior = log_posterior + (0.5 / prior - 2) * (1 - 2 * rates).clamp(min=1e-12).log()[:, None]
    weight = torch.softmax(log_posterior.flatten(), 0).view_as(log_posterior)
    return LabelNoise(rate=(weight.sum(1) * rates).sum(), slope=(weight.sum(0) * slopes).sum() / size)


def label_clarity(gaps: Tensor, noise: LabelNoise) -> Tensor:
    """c (B,) = σ(logit(1−ε) + kr): the probability that a label is right, without gradient."""
    odds = (1 - noise.rate.clamp(1e-6, 1 - 1e-6)).logit() + noise.slope * gaps.detach()
    return odds.sigmoid().to(gaps.dtype)
