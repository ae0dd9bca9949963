"""APO-down: lower both answers, the rejected one more.

    L = σ(βh_w) + [1 − σ(β(h_w − h_l))],   h = s − s^ref

Source: arXiv:2408.06266, eq. 8. For chosen answers worse than the model's own.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def apo_down(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """APO-down's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    win, lose = options.beta * chosen, options.beta * rejected
    return result(win.sigmoid() + (lose - win).sigmoid(), (win, lose))


SPEC = LossSpec(
    name="apo_down",
    family="reference-based",
    formula="σ(βh_w) + [1 − σ(β(h_w − h_l))]",
    source="arXiv:2408.06266, eq. 8",
    options=BetaOptions,
    function=apo_down,
    needs=frozenset({"reference"}),
    notes="Bounded in [0, 2] and redescending; it lowers the chosen answer by design.",
)
