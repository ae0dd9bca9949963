"""Hölder-DPO: the Hölder divergence in place of the Kullback–Leibler one, bounded and redescending.

    L = −(1+g) p^g + g p^{1+g},   p = σ(βΔ)

Source: arXiv:2505.17859.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class HolderDPOOptions(BetaOptions):
    g: float = option(2.0, "robustness; larger forgets contradicted pairs sooner", source="arXiv:2505.17859")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.g > 0, "g", self.g, "a number above 0")


def holder_dpo(logps: PairLogps, options: HolderDPOOptions) -> LossOutput:
    """Hölder-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    g, p = options.g, z.sigmoid()
    raised = (-g * log_loss(z)).exp()  # p^g
    peak = (g / (g + 2)) ** g * (2 / (g + 2)) ** 2
    return result(
        -(1 + g) * raised + g * raised * p,
        (options.beta * chosen, options.beta * rejected),
        weights=raised * (1 - p).square() / peak,
    )


SPEC = LossSpec(
    name="holder_dpo",
    family="robust",
    formula="−(1+g)p^g + g p^{1+g}, p = σ(βΔ)",
    source="arXiv:2505.17859",
    options=HolderDPOOptions,
    function=holder_dpo,
    needs=frozenset({"reference"}),
    notes=(
        "Redescends to 0: the weight p^g(1−p)² of a contradicted pair vanishes like e^{gβΔ}; so"
        " do the weights of all pairs that are hard at first."
    ),
)
