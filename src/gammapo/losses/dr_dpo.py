"""Dr. DPO: DPO against the best of distributions near the data's, which plays down pairs of large loss.

    L = −β′ log mean_i e^{−ℓ(βΔ_i)/β′}

Source: arXiv:2407.07880. Its gradient weighs each pair by the softmax of −ℓ/β′ over the step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class DrDPOOptions(BetaOptions):
    beta_prime: float = option(1.0, "temperature over pairs", unit="loss", source="arXiv:2407.07880")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.beta_prime > 0, "beta_prime", self.beta_prime, "a number above 0")


def dr_dpo(logps: PairLogps, options: DrDPOOptions) -> LossOutput:
    """Dr. DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    per_pair = log_loss(z)
    scaled = -per_pair / options.beta_prime
    loss = -options.beta_prime * (torch.logsumexp(scaled, 0) - math.log(len(z)))
    weights = len(z) * torch.softmax(scaled, 0) * (-z).sigmoid()
    return result(per_pair, (options.beta * chosen, options.beta * rejected), loss=loss, weights=weights)


SPEC = LossSpec(
    name="dr_dpo",
    family="robust",
    formula="−β′ log mean e^{−ℓ(βΔ)/β′}",
    source="arXiv:2407.07880",
    options=DrDPOOptions,
    function=dr_dpo,
    needs=frozenset({"reference"}),
    couples=True,
    limits="β′ → ∞ is dpo",
    notes=("Redescends through the softmax: at β′ = 1 a pair's weight is proportional to σ(βΔ)σ(−βΔ)."),
)
