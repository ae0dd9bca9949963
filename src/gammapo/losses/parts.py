"""What losses are built from: gaps, the logistic loss, and the assembly of a LossOutput."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from gammapo.losses.spec import State, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class BetaOptions:
    """The one option that every reference-based loss has."""

    beta: float = option(0.1, "scale of the reward", unit="reward per nat", source="arXiv:2305.18290")

    def __post_init__(self) -> None:
        require(self.beta > 0, "beta", self.beta, "a number above 0")


def log_loss(z: Tensor) -> Tensor:
    """ℓ(z) = −log σ(z), finite for any finite z."""
    return -logsigmoid(z)


def per_token(logps: PairLogps) -> tuple[Tensor, Tensor]:
    """Length-normalised log-probs (s̄_w, s̄_l), each (B,), nats per token."""
    return logps.chosen / logps.chosen_length, logps.rejected / logps.rejected_length


def log_ratios(logps: PairLogps) -> tuple[Tensor, Tensor]:
    """Summed log-ratios to the reference (h_w, h_l), each (B,), nats. The loss must need "reference"."""
    assert logps.reference_chosen is not None
    assert logps.reference_rejected is not None
    return logps.chosen - logps.reference_chosen, logps.rejected - logps.reference_rejected


def log_ratios_per_token(logps: PairLogps) -> tuple[Tensor, Tensor]:
    """Length-normalised log-ratios (h_w/|y_w|, h_l/|y_l|), each (B,), nats per token."""
    chosen, rejected = log_ratios(logps)
    return chosen / logps.chosen_length, rejected / logps.rejected_length


def score_gaps(logps: PairLogps) -> Tensor:
    """R_w − R_l (B,), in the unit of the scores' source. The loss must need "scores"."""
    assert logps.chosen_score is not None
    assert logps.rejected_score is not None
    return logps.chosen_score - logps.rejected_score


def full_like(value: Tensor, number: float) -> Tensor:
    return torch.full_like(value.detach(), number)


def result(
    per_pair: Tensor,
    rewards: tuple[Tensor, Tensor],
    *,
    margins: Tensor | float = 0.0,
    weights: Tensor | None = None,
    clarity: Tensor | None = None,
    loss: Tensor | None = None,
    state: State | None = None,
) -> LossOutput:
    """A LossOutput with everything but the loss detached; the loss is the mean of `per_pair` if not given."""
    return LossOutput(
        loss=per_pair.mean() if loss is None else loss,
        per_pair=per_pair,
        chosen_rewards=rewards[0].detach(),
        rejected_rewards=rewards[1].detach(),
        target_margins=margins.detach() if isinstance(margins, Tensor) else full_like(per_pair, margins),
        weights=None if weights is None else weights.detach(),
        clarity=None if clarity is None else clarity.detach(),
        state=None if state is None else {name: value.detach() for name, value in state.items()},
    )
