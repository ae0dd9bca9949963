"""APO-zero: raise the chosen and lower the rejected answer, each against the reference, with a bounded pull.

    L = [1 − σ(βh_w)] + σ(βh_l),   h = s − s^ref

Source: arXiv:2408.06266, eq. 7. For chosen answers better than the model's own.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def apo_zero(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """APO-zero's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    win, lose = options.beta * chosen, options.beta * rejected
    return result((-win).sigmoid() + lose.sigmoid(), (win, lose))


SPEC = LossSpec(
    name="apo_zero",
    family="reference-based",
    formula="[1 − σ(βh_w)] + σ(βh_l)",
    source="arXiv:2408.06266, eq. 7",
    options=BetaOptions,
    function=apo_zero,
    needs=frozenset({"reference"}),
    notes="Bounded in [0, 2] and redescending on each answer by itself.",
)
