"""BCO on pairs: a binary classifier of answers by their rewards, about a running mean.

    L = ℓ(βh_w − δ) + ℓ(δ − βh_l),   h = s − s^ref,   δ = running mean of all rewards βh

Source: arXiv:2404.04656. δ is the mean over all pairs seen in training, this step included, and
no gradient flows through it. TRL 1.16 leaves δ out: `shift=False` gives its loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, State, option
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class BCOOptions(BetaOptions):
    shift: bool = option(True, "take the running mean δ off the rewards", source="arXiv:2404.04656")


def initial_state(options: BCOOptions) -> State:
    return {"mean": torch.zeros(()), "count": torch.zeros(())}


def bco_pair(logps: PairLogps, options: BCOOptions, state: State) -> LossOutput:
    """BCO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    win, lose = options.beta * chosen, options.beta * rejected
    rewards = torch.cat([win, lose]).detach()
    count = state["count"].to(rewards) + len(rewards)
    mean = state["mean"].to(rewards)
    mean = mean + (rewards - mean).sum() / count
    shift = mean if options.shift else torch.zeros_like(mean)
    per_pair = log_loss(win - shift) + log_loss(shift - lose)
    return result(per_pair, (win, lose), state={"mean": mean, "count": count})


SPEC = LossSpec(
    name="bco_pair",
    family="reference-based",
    formula="ℓ(βh_w − δ) + ℓ(δ − βh_l)",
    source="arXiv:2404.04656",
    options=BCOOptions,
    function=bco_pair,
    needs=frozenset({"reference"}),
    couples=True,
    initial_state=initial_state,
    notes="Bounds the gap by the sum of two logistic losses; never redescends.",
)
