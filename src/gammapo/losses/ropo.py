"""ROPO: the logistic loss plus a bounded one, scaled so that the largest pull is 1.

    L = 4α/(1+α)² · [ℓ(βΔ) + α σ(−βΔ)]

Source: arXiv:2404.04102 (its loss alone, without its rejection sampling and filtering).
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ROPOOptions(BetaOptions):
    alpha: float = option(14.0, "weight of the bounded part", source="arXiv:2404.04102")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha > 1, "alpha", self.alpha, "a number above 1")


def ropo(logps: PairLogps, options: ROPOOptions) -> LossOutput:
    """ROPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    wrong = (-z).sigmoid()
    scale = 4 * options.alpha / (1 + options.alpha) ** 2
    per_pair = scale * (log_loss(z) + options.alpha * wrong)
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        weights=scale * wrong * (1 + options.alpha * (1 - wrong)),
    )


SPEC = LossSpec(
    name="ropo",
    family="robust",
    formula="4α/(1+α)² · [ℓ(βΔ) + ασ(−βΔ)]",
    source="arXiv:2404.04102",
    options=ROPOOptions,
    function=ropo,
    needs=frozenset({"reference"}),
    notes=(
        "Redescends, but not to 0: a contradicted pair keeps the weight 4α/(1+α)², 0.25 at the "
        "default, where the largest is 1."
    ),
)
