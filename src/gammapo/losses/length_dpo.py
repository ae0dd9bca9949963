"""R-DPO: DPO for a reward that is charged for length.

    L = ℓ(βΔ + α(|y_w| − |y_l|))

Source: arXiv:2403.19159. Maximising E[R − α|y|] − β KL gives R = β log(π/π_ref) + α|y| + const, hence the
plus sign: a longer winner has part of its gap explained by length, and need not earn it by likelihood. (With
a minus sign a longer winner would have to earn more, which makes answers longer.) Lengths are token counts.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class LengthDPOOptions(BetaOptions):
    alpha: float = option(0.01, "charge on length", unit="reward per token", source="arXiv:2403.19159")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")


def length_dpo(logps: PairLogps, options: LengthDPOOptions) -> LossOutput:
    """R-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    margins = options.alpha * (logps.rejected_length - logps.chosen_length)
    z = options.beta * (chosen - rejected) - margins
    return result(
        log_loss(z), (options.beta * chosen, options.beta * rejected), margins=margins, weights=(-z).sigmoid()
    )


SPEC = LossSpec(
    name="length_dpo",
    family="reference-based",
    formula="ℓ(βΔ + α(|y_w| − |y_l|))",
    source="arXiv:2403.19159",
    options=LengthDPOOptions,
    function=length_dpo,
    needs=frozenset({"reference", "lengths"}),
    limits="α = 0 is dpo",
    notes=(
        "Never redescends: the more a pair contradicts the model, the harder it pulls. Against "
        "labels that favour length it is a partial cure."
    ),
)
