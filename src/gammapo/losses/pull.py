"""How hard a pair pulls on its reward gap, over that gap: what a loss does with a contradicted pair.

One probe pair is moved through the gaps; its pull is minus the derivative of the whole step's loss by its
reward gap, found by autograd, so that everything a loss does shows: coupling, clarity, extra terms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.spec import Loss, State
from gammapo.types import PairLogps

LENGTH = 20.0  # tokens of every answer
BASE = -40.0  # log-prob of every answer at gap 0, under policy and reference
COMPANY = 63  # other pairs of the step, whose reward gaps are the quantiles of N(1, 2²)
CORRECTIONS = 8
BEGUN = 500  # steps done, for losses that start late (of 1,000 that they assume)


@dataclass(frozen=True, kw_only=True)
class Pull:
    """Pulls over reward gaps, each a list of the same length; 1 is the largest pull in sight."""

    reward_gap: list[float]
    pull: list[float]


def pull_curve(loss: Loss, reward_gaps: Sequence[float]) -> Pull:
    """The pull of a probe pair at (about) these reward gaps, relative to the largest.

    The probe's answers move apart by the same amount, under a reference that likes both equally, and an
    external score agrees with its label by one unit. A loss that couples pairs sees it in the company of 63
    ordinary ones; a loss with memory has seen that company before. The gaps returned are those that come out.
    """
    unit = _reward_gap(loss, torch.tensor([1.0]), None).item()
    company = torch.special.ndtri((torch.arange(COMPANY) + 0.5) / COMPANY) * 2 + 1
    state = _memory(loss, company / unit)
    found, pulls = [], []
    for gap in reward_gaps:
        others = company / unit if loss.spec.couples else company[:0]
        distance = torch.cat([torch.tensor([gap / unit]), others]).double()
        for _ in range(CORRECTIONS):  # towards the gap asked for, where rewards are not linear in log-probs
            actual = _reward_gap(loss, distance, state)[0].item()
            distance[0] *= gap / actual if gap * actual > 0 else 1.0
        pull, actual = _one(loss, distance, state)
        found.append(actual)
        pulls.append(pull)
    largest = max(abs(value) for value in pulls) or 1.0
    return Pull(reward_gap=found, pull=[value / largest for value in pulls])


def _one(loss: Loss, distance: Tensor, state: State | None) -> tuple[float, float]:
    """Pull and reward gap of the first pair of the step, whose answers are `distance` nats apart."""
    distance = distance.clone().requires_grad_()
    out = loss(_step(distance), state)
    (slope,) = torch.autograd.grad(out.loss * len(distance), distance)
    near = distance.detach().clone()
    near[0] += 1e-3
    reward_slope = (_reward_gap(loss, near, state)[0] - out.reward_gaps[0]).item() / 1e-3
    return -slope[0].item() / reward_slope, out.reward_gaps[0].item()


def _step(distance: Tensor) -> PairLogps:
    same = torch.full_like(distance.detach(), BASE)
    length = torch.full_like(same, LENGTH)
    return PairLogps(
        chosen=same + distance / 2,
        rejected=same - distance / 2,
        chosen_length=length,
        rejected_length=length,
        reference_chosen=same,
        reference_rejected=same,
        chosen_score=torch.ones_like(same),
        rejected_score=torch.zeros_like(same),
    )


def _reward_gap(loss: Loss, distance: Tensor, state: State | None) -> Tensor:
    with torch.no_grad():
        return loss(_step(distance.double()), state).reward_gaps


def _memory(loss: Loss, distance: Tensor) -> State | None:
    """The state after three steps of ordinary company, at a time when late starters have begun."""
    if loss.spec.initial_state is None:
        return None
    state = dict(loss.initial_state())
    for _ in range(3):
        state = dict(loss(_step(distance.double()), state).state or {})
    if "step" in state:
        state["step"] = torch.full_like(state["step"], BEGUN)
    return state
