"""SimPO: a length-normalised, reference-free reward with a fixed target margin.

    L = ℓ(βΔ̄ − γ),   Δ̄ = s_w/|y_w| − s_l/|y_l|,   ℓ(z) = −log σ(z)

Source: arXiv:2405.14734, eq. 6. Optional and off by default: label smoothing ε, which gives
(1−ε)ℓ(z) + εℓ(−z), and an SFT term −α s̄_w.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, option, require
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
    per_pair = log_loss(z)
    if options.epsilon:
        per_pair = (1 - options.epsilon) * per_pair + options.epsilon * log_loss(-z)
    if options.alpha:
        per_pair = per_pair - options.alpha * chosen
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        margins=options.target_margin,
        weights=(-z).sigmoid() - options.epsilon,
    )


SPEC = LossSpec(
    name="simpo",
    family="reference-free",
    formula="ℓ(βΔ̄ − γ)",
    source="arXiv:2405.14734, eq. 6",
    options=SimPOOptions,
    function=simpo,
    needs=frozenset({"lengths"}),
    limits="γ = 0 is the plain length-normalised preference loss",
    notes="Never redescends: the more a pair contradicts the model, the harder it pulls (weight σ(γ−r) → 1).",
)
