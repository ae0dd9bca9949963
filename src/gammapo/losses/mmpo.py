"""MMPO: cross-entropy against the soft label that external scores imply.

    L = q ℓ(βΔ) + (1−q) ℓ(−βΔ),   q = σ(b (R_w − R_l))

Source: arXiv:2410.03145.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result, score_gaps
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class MMPOOptions(BetaOptions):
    b: float = option(1.0, "slope of the soft label", unit="1/score", source="depends on the scores' unit")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.b > 0, "b", self.b, "a number above 0 (at 0 every label is a coin)")


def mmpo(logps: PairLogps, options: MMPOOptions) -> LossOutput:
    """MMPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    q = (options.b * score_gaps(logps)).sigmoid()
    per_pair = q * log_loss(z) + (1 - q) * log_loss(-z)
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        weights=(-z).sigmoid() - (1 - q),
        clarity=q,
    )


SPEC = LossSpec(
    name="mmpo",
    family="robust",
    formula="qℓ(βΔ) + (1−q)ℓ(−βΔ), q = σ(b(R_w − R_l))",
    source="arXiv:2410.03145",
    options=MMPOOptions,
    function=mmpo,
    needs=frozenset({"reference", "scores"}),
    limits="b → ∞ with right scores is dpo",
    notes=(
        "The scores decide: a pair that they contradict is learnt the other way round, whatever"
        " its label says."
    ),
)
