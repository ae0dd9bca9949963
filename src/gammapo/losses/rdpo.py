"""Robust DPO: DPO's loss made unbiased under flips at a known rate ε.

    L = [(1−ε) ℓ(βΔ) − ε ℓ(−βΔ)] / (1−2ε)

Source: arXiv:2403.00409. Its expectation over labels flipped at rate ε is DPO's loss of the clean
labels. It has no lower bound: each pair goes on pulling with at least ε/(1−2ε).
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class RobustDPOOptions(BetaOptions):
    epsilon: float = option(
        0.1, "share of labels taken as flipped", unit="probability", source="arXiv:2403.00409"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.epsilon < 0.5, "epsilon", self.epsilon, "0 ≤ epsilon < 0.5")


def rdpo(logps: PairLogps, options: RobustDPOOptions) -> LossOutput:
    """Robust DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    scale = 1 - 2 * options.epsilon
    per_pair = ((1 - options.epsilon) * log_loss(z) - options.epsilon * log_loss(-z)) / scale
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        weights=(-z).sigmoid() + options.epsilon / scale,
    )


SPEC = LossSpec(
    name="rdpo",
    family="robust",
    formula="[(1−ε) ℓ(βΔ) − ε ℓ(−βΔ)] / (1−2ε)",
    source="arXiv:2403.00409",
    options=RobustDPOOptions,
    function=rdpo,
    needs=frozenset({"reference"}),
    limits="ε = 0 is dpo",
    notes=(
        "Unbiased on average, not per pair: a contradicted pair pulls with 1 + ε/(1−2ε), more "
        "than in dpo, and the loss has no lower bound."
    ),
)
