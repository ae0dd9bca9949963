"""DPO-PRO: DPO against the worst label distribution in a χ² ball about a soft label.

    L = q ℓ(βΔ) + (1−q) ℓ(−βΔ) + √(ρ q(1−q)) |βΔ|,   q = σ(b (R_w − R_l))

Source: arXiv:2510.23590: ℓ(−z) − ℓ(z) = z, so the worst case adds a penalty on the size of the gap. Where
q is within ρ/(1 + ρ) of 0 or 1 the ball holds shares beyond them, and the penalty is larger than of any
real label.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result, score_gaps
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class DPOProOptions(BetaOptions):
    b: float = option(1.0, "slope of the soft label", unit="1/score")
    rho: float = option(0.1, "radius of the χ² ball", source="arXiv:2510.23590")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.b > 0, "b", self.b, "a number above 0 (at 0 every label is a coin)")
        require(self.rho >= 0, "rho", self.rho, "a number of at least 0")


def dpo_pro(logps: PairLogps, options: DPOProOptions) -> LossOutput:
    """DPO-PRO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    q = (options.b * score_gaps(logps)).sigmoid()
    penalty = (options.rho * q * (1 - q)).sqrt()
    per_pair = q * log_loss(z) + (1 - q) * log_loss(-z) + penalty * z.abs()
    weights = (-z).sigmoid() - (1 - q) - penalty * z.sign()
    return result(per_pair, (options.beta * chosen, options.beta * rejected), weights=weights, clarity=q)


SPEC = LossSpec(
    name="dpo_pro",
    family="robust",
    formula="qℓ(βΔ) + (1−q)ℓ(−βΔ) + √(ρq(1−q)) |βΔ|",
    source="arXiv:2510.23590",
    options=DPOProOptions,
    function=dpo_pro,
    needs=frozenset({"reference", "scores"}),
    limits="ρ = 0 is mmpo",
    notes=(
        "A pair of uncertain scores is held at gap 0; a pair that the scores contradict is "
        "learnt the other way round."
    ),
)
