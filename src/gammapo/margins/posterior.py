"""Target margins by the posterior that the label is right, from a two-component mixture of the gaps.

    γ_i = γ₀ [1 − λ + λ max(0, 2c_i − 1)],   c_i = σ(logit η + 2μ r_i / σ²)

Source: this project. The gaps are taken as a mixture of N(μ, σ²), right labels, and N(−μ, σ²), flipped
ones, with η the share of right ones; EM finds the three. Unlike γ-PO's, the mean margin falls with noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.margins.spec import Gaps, MarginSpec, option, require

ROUNDS = 30  # of EM, which for two components of one spread has settled long before
OUTLIER = 3.0  # gaps beyond so many mean sizes are taken at that size, or a few would carry the fit
LEAST = 1e-3  # η is held this far from 0 and 1


@dataclass(frozen=True, kw_only=True)
class PosteriorOptions:
    gamma0: float = option(3.0, "margin of a pair whose label is certain", unit="reward")
    lam: float = option(1.0, "how far margins follow the posterior; 0 is the fixed margin")

    def __post_init__(self) -> None:
        require(self.gamma0 >= 0, "gamma0", self.gamma0, "a number of at least 0")
        require(0 <= self.lam <= 1, "lam", self.lam, "0 ≤ lam ≤ 1")


@torch.no_grad()
def clarity(gaps: Tensor, window: Tensor | None = None) -> Tensor:
    """c (B,), the posterior that a label is right, by a mixture fitted to `window` (W,) and `gaps` (B,)."""
    group = (gaps if window is None else torch.cat([window.to(gaps), gaps])).float()
    size = group.abs().mean().clamp(min=1e-12)
    z = (group / size).clamp(-OUTLIER, OUTLIER)
    eta, mu, variance = z.new_tensor(0.8), z.new_tensor(1.0), z.new_tensor(1.0)
    for _ in range(ROUNDS):
        right = (eta.logit() + 2 * mu * z / variance).sigmoid()
        eta = right.mean().clamp(LEAST, 1 - LEAST)
        mu = ((2 * right - 1) * z).mean().clamp(min=0)
        variance = (z.square().mean() - mu.square()).clamp(min=1e-2)
    own = (gaps.float() / size).clamp(-OUTLIER, OUTLIER)
    return (eta.logit() + 2 * mu * own / variance).sigmoid().to(gaps.dtype)


def posterior(
    reward_gaps: Tensor, gamma0: float = 3.0, lam: float = 1.0, window: Tensor | None = None
) -> Tensor:
    """Margins (B,), detached, for reward gaps (B,); `window` (W,) are recent gaps of training."""
    PosteriorOptions(gamma0=gamma0, lam=lam)  # checks them
    return gamma0 * (1 - lam + lam * (2 * clarity(reward_gaps.detach(), window) - 1).clamp(min=0))


def _from_gaps(gaps: Gaps, options: PosteriorOptions) -> Tensor:
    return posterior(gaps.reward, options.gamma0, options.lam, gaps.window)


SPEC = MarginSpec(
    name="posterior",
    formula="γ_i = γ₀[1 − λ + λ max(0, 2c_i − 1)], c_i the mixture's posterior of a right label",
    source="this project",
    options=PosteriorOptions,
    function=_from_gaps,
    couples=True,
    notes="Weak before the model has learnt to tell right labels from flipped: early gaps hardly separate.",
)
