"""The hinge loss of the log-ratio gap: SLiC's loss on DPO's reward.

    L = max(0, 1 − βΔ)

Source: arXiv:2309.06657. For the form without a reference see slic.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def hinge(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """The hinge loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    return result(
        (1 - z).relu(),
        (options.beta * chosen, options.beta * rejected),
        margins=1.0,
        weights=(z < 1).to(z.dtype),
    )


SPEC = LossSpec(
    name="hinge",
    family="reference-based",
    formula="max(0, 1 − βΔ)",
    source="arXiv:2309.06657",
    options=BetaOptions,
    function=hinge,
    needs=frozenset({"reference"}),
    notes=(
        "Every pair short of the target gap of 1 pulls with full weight, flipped or not; a pair"
        " beyond it not at all."
    ),
)
