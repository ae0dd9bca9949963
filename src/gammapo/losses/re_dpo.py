"""RE-DPO: DPO with each label replaced by the posterior that it is right.

    L = w ℓ(z) + (1−w) ℓ(−z),   z = βΔ,   w = ηp / (ηp + (1−η)(1−p)),   p = σ(z)

Source: arXiv:2509.24159, with one annotator. w carries no gradient; η, the rate of right
labels, follows the step's mean of w (see losses/reliability.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_ratios
from gammapo.losses.reliability import REDESCENDS, ReliabilityOptions, initial_state, reliability_loss
from gammapo.losses.spec import LossSpec, State
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ReDPOOptions(ReliabilityOptions, BetaOptions):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_rates()


def re_dpo(logps: PairLogps, options: ReDPOOptions, state: State) -> LossOutput:
    """RE-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    return reliability_loss((options.beta * chosen, options.beta * rejected), 0.0, options, state)


SPEC = LossSpec(
    name="re_dpo",
    family="robust",
    formula="wℓ(βΔ) + (1−w)ℓ(−βΔ), w the posterior of a right label",
    source="arXiv:2509.24159",
    options=ReDPOOptions,
    function=re_dpo,
    needs=frozenset({"reference"}),
    couples=True,
    initial_state=initial_state,
    limits="η → 1 is dpo",
    notes=REDESCENDS,
)
