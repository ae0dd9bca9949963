"""SLiC-HF: a hinge on summed log-probs without a reference, and cross-entropy to keep the model near.

    L = max(0, δ − (s_w − s_l)) − λ s_w

Source: arXiv:2305.10425, with the chosen answer as the regularisation target.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class SLiCOptions:
    delta: float = option(1.0, "target gap of the summed log-probs", unit="nats", source="arXiv:2305.10425")
    lam: float = option(0.1, "weight of the cross-entropy of the chosen answer", source="arXiv:2405.14734")

    def __post_init__(self) -> None:
        require(self.delta >= 0, "delta", self.delta, "a number of at least 0")
        require(self.lam >= 0, "lam", self.lam, "a number of at least 0")


def slic(logps: PairLogps, options: SLiCOptions) -> LossOutput:
    """SLiC's loss of B pairs; see the module docstring for the formula."""
    gap = logps.chosen - logps.rejected
    per_pair = (options.delta - gap).relu() - options.lam * logps.chosen
    return result(
        per_pair,
        (logps.chosen, logps.rejected),
        margins=options.delta,
        weights=(gap < options.delta).to(gap.dtype),
    )


SPEC = LossSpec(
    name="slic",
    family="reference-free",
    formula="max(0, δ − (s_w − s_l)) − λ s_w",
    source="arXiv:2305.10425",
    options=SLiCOptions,
    function=slic,
    needs=frozenset(),
    notes=(
        "A flipped pair pulls with full weight, and its cross-entropy term teaches the worse "
        "answer outright. The weight shown is the hinge's alone."
    ),
)
