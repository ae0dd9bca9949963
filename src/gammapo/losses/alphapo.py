"""AlphaPO: SimPO with another shape of reward.

    L = ℓ(r_w − r_l − γ),   r = β (1 − e^{−α s̄}) / α

Source: arXiv:2501.03884. The exponent is capped at 30, beyond which no answer can be told from
another; there the loss is finite and has no gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, option
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class AlphaPOOptions(TargetMarginOptions):
    beta: float = option(2.5, "scale of the reward", unit="reward per nat", source="arXiv:2501.03884")
    alpha: float = option(0.25, "shape of the reward; 0 is logarithmic", source="arXiv:2501.03884")

    default_ratio = 0.04  # γ = 0.1


STEEPEST = 30.0  # of −α s̄


def _reward(logp: Tensor, options: AlphaPOOptions) -> Tensor:
    if options.alpha == 0:
        return options.beta * logp
    return -options.beta / options.alpha * torch.expm1((-options.alpha * logp).clamp(max=STEEPEST))


def alphapo(logps: PairLogps, options: AlphaPOOptions) -> LossOutput:
    """AlphaPO's loss of B pairs; see the module docstring for the formula."""
    win, lose = (_reward(value, options) for value in per_token(logps))
    z = win - lose - options.target_margin
    return result(log_loss(z), (win, lose), margins=options.target_margin, weights=(-z).sigmoid())


SPEC = LossSpec(
    name="alphapo",
    family="reference-free",
    formula="ℓ(r_w − r_l − γ), r = β(1 − e^{−αs̄})/α",
    source="arXiv:2501.03884",
    options=AlphaPOOptions,
    function=alphapo,
    needs=frozenset({"lengths"}),
    limits="α → 0 is simpo",
    notes=(
        "For α > 0 an unlikely rejected answer counts exponentially, so its pair is done early;"
        " never redescends in the reward gap."
    ),
)
