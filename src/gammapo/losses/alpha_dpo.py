"""α-DPO: SimPO with a margin that grows where the policy has already left the reference.

    L = ℓ(βΔ̄ − γ_i),   γ_i = γ + β α z-score(Δ̄ − Δ̄_ref), without gradient

Source: arXiv:2410.10148. The z-score is taken over the step's pairs; the authors' code takes it
against running moments instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import log_loss, log_ratios_per_token, per_token, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class AlphaDPOOptions(TargetMarginOptions):
    beta: float = option(
        10.0, "scale of the reward", unit="reward per nat", source="authors' code, Llama-3-8B, with α = 0.2"
    )
    alpha: float = option(0.1, "spread of the margins, as a share of β", source="arXiv:2410.10148")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")


def alpha_dpo(logps: PairLogps, options: AlphaDPOOptions) -> LossOutput:
    """α-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    anchored_chosen, anchored_rejected = log_ratios_per_token(logps)
    drift = (anchored_chosen - anchored_rejected).detach()
    score = (drift - drift.mean()) / drift.std(correction=0).clamp(min=1e-6)
    margins = options.target_margin + options.beta * options.alpha * score
    z = options.beta * (chosen - rejected) - margins
    return result(
        log_loss(z), (options.beta * chosen, options.beta * rejected), margins=margins, weights=(-z).sigmoid()
    )


SPEC = LossSpec(
    name="alpha_dpo",
    family="adaptive margin",
    formula="ℓ(βΔ̄ − γ − βα·zscore(Δ̄ − Δ̄_ref))",
    source="arXiv:2410.10148",
    options=AlphaDPOOptions,
    function=alpha_dpo,
    needs=frozenset({"reference", "lengths"}),
    couples=True,
    limits="α = 0 is simpo",
    notes="Never redescends; a pair that resists being learnt gets a smaller margin.",
)
