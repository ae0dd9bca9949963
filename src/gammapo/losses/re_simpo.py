"""RE-SimPO: SimPO with each label replaced by the posterior that it is right.

    L = w ℓ(z) + (1−w) ℓ(−z),   z = βΔ̄ − γ,   w = ηp / (ηp + (1−η)(1−p)),   p = σ(z)

Source: arXiv:2509.24159, with one annotator. w carries no gradient; η, the rate of right
labels, follows the step's mean of w (see losses/reliability.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gammapo.losses import reliability
from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, State, option, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ReSimPOOptions(TargetMarginOptions):
    eta: float = option(
        0.9, "rate of right labels at the start", unit="probability", source="arXiv:2509.24159"
    )
    ema: float = option(0.1, "how fast that rate follows the posterior, per step", source="arXiv:2509.24159")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0.5 < self.eta < 1, "eta", self.eta, "0.5 < eta < 1")
        require(0 <= self.ema <= 1, "ema", self.ema, "0 ≤ ema ≤ 1")


def initial_state(options: ReSimPOOptions) -> State:
    return {"eta": torch.tensor(options.eta)}


def re_simpo(logps: PairLogps, options: ReSimPOOptions, state: State) -> LossOutput:
    """RE-SimPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    margin = options.target_margin
    z = options.beta * (chosen - rejected) - margin
    w = reliability.posterior(z, state["eta"])
    return result(
        w * log_loss(z) + (1 - w) * log_loss(-z),
        (options.beta * chosen, options.beta * rejected),
        margins=margin,
        weights=(-z).sigmoid() - (1 - w),
        clarity=w,
        state={"eta": reliability.following(state["eta"], w, options.ema)},
    )


SPEC = LossSpec(
    name="re_simpo",
    family="robust",
    formula="wℓ(βΔ̄ − γ) + (1−w)ℓ(−(βΔ̄ − γ)), w the posterior of a right label",
    source="arXiv:2509.24159",
    options=ReSimPOOptions,
    function=re_simpo,
    needs=frozenset({"lengths"}),
    couples=True,
    initial_state=initial_state,
    limits="η → 1 is simpo",
    notes=(
        "Redescends to 0: the weight is w − σ(z), so a pair that contradicts the model strongly is left "
        "alone, and none is learnt the other way while η > ½. A wrong early belief confirms itself."
    ),
)
