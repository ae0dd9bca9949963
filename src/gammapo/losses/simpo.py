"""SimPO: a length-normalised, reference-free reward with a fixed target margin.

    L = ℓ(βΔ̄ − γ),   Δ̄ = s_w/|y_w| − s_l/|y_l|,   ℓ(z) = −log σ(z)

Source: arXiv:2405.14734, eq. 6. Optional and off by default: label smoothing ε, which gives
(1−ε)ℓ(z) + εℓ(−z), and an SFT term −α s̄_w.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch.nn.functional import logsigmoid

from gammapo.losses.spec import LossSpec, full_like, option, per_token, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class SimPOOptions(TargetMarginOptions):
    epsilon: float = option(0.0, "label smoothing: the share of labels taken as wrong", unit="probability")
    alpha: float = option(0.0, "weight of the SFT term on the chosen answer")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.epsilon < 0.5, "epsilon", self.epsilon, "0 ≤ epsilon < 0.5")
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")


def simpo(logps: PairLogps, options: SimPOOptions) -> LossOutput:
    """SimPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    z = options.beta * (chosen - rejected) - options.target_margin
    per_pair = -logsigmoid(z)
    if options.epsilon:
        per_pair = (1 - options.epsilon) * per_pair - options.epsilon * logsigmoid(-z)
    if options.alpha:
        per_pair = per_pair - options.alpha * chosen
    return LossOutput(
        loss=per_pair.mean(),
        per_pair=per_pair,
        chosen_rewards=options.beta * chosen.detach(),
        rejected_rewards=options.beta * rejected.detach(),
        target_margins=full_like(z, options.target_margin),
        weights=(-z).sigmoid().detach(),
    )


SPEC = LossSpec(
    name="simpo",
    family="simpo",
    formula="ℓ(βΔ̄ − γ)",
    source="arXiv:2405.14734, eq. 6",
    options=SimPOOptions,
    function=simpo,
    needs=frozenset({"lengths"}),
    notes="Never redescends: the more a pair contradicts the model, the harder it pulls (weight σ(γ−r) → 1).",
)
