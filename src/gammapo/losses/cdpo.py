"""Conservative DPO: cross-entropy against a label that is right with probability 1 − ε only.

    L = (1−ε) ℓ(βΔ) + ε ℓ(−βΔ)

Source: E. Mitchell, "A note on DPO with noisy preferences" (2023). It is least where βΔ = log((1−ε)/ε), so
the gap is not driven to infinity, but it is biased when the labels are flipped at rate ε (see rdpo).
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ConservativeDPOOptions(BetaOptions):
    epsilon: float = option(
        0.1, "share of labels taken as flipped", unit="probability", source="Mitchell 2023"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.epsilon < 0.5, "epsilon", self.epsilon, "0 ≤ epsilon < 0.5")


def cdpo(logps: PairLogps, options: ConservativeDPOOptions) -> LossOutput:
    """Conservative DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    per_pair = (1 - options.epsilon) * log_loss(z) + options.epsilon * log_loss(-z)
    return result(
        per_pair, (options.beta * chosen, options.beta * rejected), weights=(-z).sigmoid() - options.epsilon
    )


SPEC = LossSpec(
    name="cdpo",
    family="robust",
    formula="(1−ε) ℓ(βΔ) + ε ℓ(−βΔ)",
    source='Mitchell 2023, "A note on DPO with noisy preferences"',
    options=ConservativeDPOOptions,
    function=cdpo,
    needs=frozenset({"reference"}),
    limits="ε = 0 is dpo",
    notes=(
        "Its weight σ(−βΔ) − ε tends to 1 − ε for a contradicted pair, and turns negative "
        "beyond the target gap log((1−ε)/ε)."
    ),
)
