"""SPPO with hard labels: each log-ratio is regressed to half a win or half a loss.

    L = (h_w − 1/(2β))² + (h_l + 1/(2β))²,   h = s − s^ref

Source: arXiv:2405.00675, eq. 4.7 with P = 1 for the winner and 0 for the loser, and η = 1/β.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_ratios, result
from gammapo.losses.spec import LossSpec, option
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class SPPOOptions(BetaOptions):
    beta: float = option(
        0.001, "1/η, the step of the self-play", unit="reward per nat", source="arXiv:2405.00675"
    )


def sppo_hard(logps: PairLogps, options: SPPOOptions) -> LossOutput:
    """SPPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    half = 1 / (2 * options.beta)
    per_pair = (chosen - half).square() + (rejected + half).square()
    return result(per_pair, (options.beta * chosen, options.beta * rejected), margins=1.0)


SPEC = LossSpec(
    name="sppo_hard",
    family="reference-based",
    formula="(h_w − 1/(2β))² + (h_l + 1/(2β))²",
    source="arXiv:2405.00675, eq. 4.7",
    options=SPPOOptions,
    function=sppo_hard,
    needs=frozenset({"reference"}),
    notes=(
        "Both answers are pulled in proportion to how far they are off, without bound. The "
        "values are large (about 1/(2β²)); scale the learning rate to it."
    ),
)
