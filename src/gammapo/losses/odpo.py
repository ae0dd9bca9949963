"""ODPO: DPO with an offset that grows with the difference of external scores.

    L = ℓ(βΔ − α log(R_w − R_l))

Source: arXiv:2402.10571. Where the scores do not agree with the label their difference is held at
`floor`, whose logarithm is a large negative offset: the pair then asks for almost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result, score_gaps
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ODPOOptions(BetaOptions):
    alpha: float = option(1.0, "weight of the offset", source="arXiv:2402.10571")
    floor: float = option(1e-3, "least score difference taken", unit="score")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")
        require(self.floor > 0, "floor", self.floor, "a number above 0")


def odpo(logps: PairLogps, options: ODPOOptions) -> LossOutput:
    """ODPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    margins = options.alpha * score_gaps(logps).clamp(min=options.floor).log()
    z = options.beta * (chosen - rejected) - margins
    return result(
        log_loss(z), (options.beta * chosen, options.beta * rejected), margins=margins, weights=(-z).sigmoid()
    )


SPEC = LossSpec(
    name="odpo",
    family="adaptive margin",
    formula="ℓ(βΔ − α log(R_w − R_l))",
    source="arXiv:2402.10571",
    options=ODPOOptions,
    function=odpo,
    needs=frozenset({"reference", "scores"}),
    limits="α = 0 is dpo",
    notes=(
        "A flip that the scores reveal asks for a gap of log(floor) only, yet within that its "
        "weight never redescends."
    ),
)
