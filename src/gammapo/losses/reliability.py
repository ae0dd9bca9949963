"""What RE-DPO and RE-SimPO share: the posterior that a label is right, and the running rate of right labels.

    p = σ(z),   z = L(y_l ≻ y_w) − L(y_w ≻ y_l)                     (2)
    w = ηp / (ηp + (1−η)(1−p))                                      (4)
    L = w ℓ(z) + (1−w) ℓ(−z)                                        (5)

L(a ≻ b) is the loss that is made robust, with a as the chosen answer. A reward r = r_w − r_l with a target
margin γ has L(y_w ≻ y_l) = ℓ(r − γ) and L(y_l ≻ y_w) = ℓ(−r − γ): the margin stands against either order, so
exchanging the answers turns p into 1 − p. Without a margin z is r.

Source: arXiv:2509.24159, equations 2, 4, 5 and 7, with one annotator. w carries no gradient; η follows the
step's mean of w (7).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.parts import log_loss, result
from gammapo.losses.spec import State, option, require
from gammapo.types import LossOutput

LEAST = 1e-4  # the rate is held this far from 0 and 1, where it could never move again
REDESCENDS = (
    "Redescends to 0: the weight goes with w − σ(z), so a pair that contradicts the model strongly is left "
    "alone, and none is learnt the other way while η > ½. A wrong early belief confirms itself."
)


@dataclass(frozen=True, kw_only=True)
class ReliabilityOptions:
    eta: float = option(
        0.9, "rate of right labels at the start", unit="probability", source="arXiv:2509.24159"
    )
    ema: float = option(0.1, "how fast that rate follows the posterior, per step", source="arXiv:2509.24159")

    def check_rates(self) -> None:
        """Raise InputError for a rate outside its range."""
        require(0.5 < self.eta < 1, "eta", self.eta, "0.5 < eta < 1")
        require(0 <= self.ema <= 1, "ema", self.ema, "0 ≤ ema ≤ 1")


def initial_state(options: ReliabilityOptions) -> State:
    return {"eta": torch.tensor(options.eta)}


def reliability_loss(
    rewards: tuple[Tensor, Tensor], margin: float, options: ReliabilityOptions, state: State
) -> LossOutput:
    """The loss of B pairs from the rewards (chosen, rejected), each (B,), and a margin in their unit."""
    gap = rewards[0] - rewards[1]
    z = log_loss(-gap - margin) - log_loss(gap - margin)
    w = posterior(z, state["eta"])
    slope = (gap + margin).sigmoid() + (margin - gap).sigmoid()  # of z in the gap
    return result(
        w * log_loss(z) + (1 - w) * log_loss(-z),
        rewards,
        margins=margin,
        weights=slope * ((-z).sigmoid() - (1 - w)),
        clarity=w,
        state={"eta": following(state["eta"], w, options.ema)},
    )


def posterior(z: Tensor, eta: Tensor) -> Tensor:
    """w = ηp / (ηp + (1−η)(1−p)) with p = σ(z), which is σ(logit η + z). (B,), without gradient."""
    return (eta.to(z).logit() + z.detach()).sigmoid()


def following(eta: Tensor, w: Tensor, ema: float) -> Tensor:
    """The rate of right labels after this step: (1 − ema) η + ema · mean w."""
    return ((1 - ema) * eta.to(w) + ema * w.mean()).clamp(LEAST, 1 - LEAST)
