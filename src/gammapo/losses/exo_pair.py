"""EXO on pairs: the reverse KL divergence from the model's choice to a smoothed label.

    L = q log(q/(1−ε)) + (1−q) log((1−q)/ε),   q = σ(βΔ)

Source: arXiv:2402.00856, eq. 16. ε must be above 0: a hard label makes the divergence infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class EXOOptions(BetaOptions):
    epsilon: float = option(1e-3, "label smoothing", unit="probability", source="arXiv:2402.00856")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 < self.epsilon < 0.5, "epsilon", self.epsilon, "0 < epsilon < 0.5")


def exo_pair(logps: PairLogps, options: EXOOptions) -> LossOutput:
    """EXO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    q, p = z.sigmoid(), (-z).sigmoid()
    target = math.log1p(-options.epsilon) - math.log(options.epsilon)
    per_pair = q * (-log_loss(z) - math.log1p(-options.epsilon)) + p * (
        -log_loss(-z) - math.log(options.epsilon)
    )
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        margins=target,
        weights=q * p * (target - z),
    )


SPEC = LossSpec(
    name="exo_pair",
    family="reference-based",
    formula="KL((q, 1−q) ‖ (1−ε, ε)), q = σ(βΔ)",
    source="arXiv:2402.00856, eq. 16",
    options=EXOOptions,
    function=exo_pair,
    needs=frozenset({"reference"}),
    notes=(
        "Bounded by −log ε and redescending: far from the label q(1−q) vanishes, so a strongly "
        "contradicted pair hardly pulls."
    ),
)
