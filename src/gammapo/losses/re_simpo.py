"""RE-SimPO: SimPO with each label replaced by the posterior that it is right.

    L = w ℓ(z) + (1−w) ℓ(−z),   z = ℓ(−βΔ̄ − γ) − ℓ(βΔ̄ − γ),   w = ηp / (ηp + (1−η)(1−p)),   p = σ(z)

Source: arXiv:2509.24159, with one annotator. z sets SimPO's loss of the labels as they are against that
of the labels the other way round; w carries no gradient; η, the rate of right labels, follows the step's
mean of w (see losses/reliability.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import per_token
from gammapo.losses.reliability import REDESCENDS, ReliabilityOptions, initial_state, reliability_loss
from gammapo.losses.spec import LossSpec, State
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ReSimPOOptions(ReliabilityOptions, TargetMarginOptions):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_rates()


def re_simpo(logps: PairLogps, options: ReSimPOOptions, state: State) -> LossOutput:
    """RE-SimPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    return reliability_loss(
        (options.beta * chosen, options.beta * rejected), options.target_margin, options, state
    )


SPEC = LossSpec(
    name="re_simpo",
    family="robust",
    formula="wℓ(z) + (1−w)ℓ(−z), z = ℓ(−βΔ̄−γ) − ℓ(βΔ̄−γ), w the posterior of a right label",
    source="arXiv:2509.24159",
    options=ReSimPOOptions,
    function=re_simpo,
    needs=frozenset({"lengths"}),
    couples=True,
    initial_state=initial_state,
    limits="η → 1 with γ = 0 is simpo",
    notes=REDESCENDS,
)
