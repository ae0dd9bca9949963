"""IPO: regression of the log-ratio gap to a fixed target.

    L = (Δ̄_h − 1/(2β))²,   Δ̄_h = (s_w − s_w^ref)/|y_w| − (s_l − s_l^ref)/|y_l|

Source: arXiv:2310.12036, eq. 17, with the log-ratios averaged over tokens, as its authors confirmed that
they do, so that β does not depend on length. Rewards are β times the averaged log-ratios; the target is ½.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_ratios_per_token, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def ipo(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """IPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios_per_token(logps)
    gap = chosen - rejected
    per_pair = (gap - 1 / (2 * options.beta)).square()
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        margins=0.5,
        weights=1 - 2 * options.beta * gap,
    )


SPEC = LossSpec(
    name="ipo",
    family="reference-based",
    formula="(Δ̄_h − 1/(2β))²",
    source="arXiv:2310.12036, eq. 17",
    options=BetaOptions,
    function=ipo,
    needs=frozenset({"reference", "lengths"}),
    notes=(
        "Grows without bound on both sides: a contradicted pair pulls in proportion to how far "
        "it is off, so flips weigh more than in dpo; a pair beyond its target is pulled back."
    ),
)
