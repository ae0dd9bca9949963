"""AMaPO: a margin for misranked pairs only, the larger the worse they are ranked: the opposite of γ-PO.

    L = ℓ(βΔ̄ − γ_i),   γ_i = β 1(Δ̄ < μ) e^{μ(μ − Δ̄)/σ_b}, without gradient

Source: arXiv:2511.09385; μ and σ_b are mean and standard deviation of Δ̄ over the step. The
exponent is capped at 10, so that one outlier cannot make the loss infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gammapo.losses.parts import BetaOptions, log_loss, per_token, result
from gammapo.losses.spec import LossSpec, option
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class AMaPOOptions(BetaOptions):
    beta: float = option(2.0, "scale of the reward", unit="reward per nat", source="arXiv:2511.09385")


STEEPEST = 10.0  # of the exponent


def amapo(logps: PairLogps, options: AMaPOOptions) -> LossOutput:
    """AMaPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    gap = chosen - rejected
    fixed = gap.detach()
    mean = fixed.mean()
    behind = (mean - fixed) / fixed.std(correction=min(1, len(gap) - 1)).clamp(min=1e-6)
    growth = (mean * behind).clamp(max=STEEPEST).exp()
    differ = fixed.max() > fixed.min()  # the mean of equal gaps may lie above them by rounding
    margins = options.beta * torch.where((fixed < mean) & differ, growth, torch.zeros_like(growth))
    z = options.beta * gap - margins
    return result(
        log_loss(z), (options.beta * chosen, options.beta * rejected), margins=margins, weights=(-z).sigmoid()
    )


SPEC = LossSpec(
    name="amapo",
    family="adaptive margin",
    formula="ℓ(βΔ̄ − β·1(Δ̄ < μ)e^{μ(μ−Δ̄)/σ_b})",
    source="arXiv:2511.09385",
    options=AMaPOOptions,
    function=amapo,
    needs=frozenset({"lengths"}),
    couples=True,
    notes="Pulls harder on contradicted pairs than simpo does, and so on flipped ones.",
)
