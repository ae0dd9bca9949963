"""A training run without a trainer: the exact step of `training.step`, an optimiser, nothing else.

`transformers.Trainer` costs more than the step itself on a model of half a million parameters (checkpoints,
logging, loaders, a process to import), and a table has no forward that it could call. So the benchmark shares
what decides the result with real training, namely the plan of steps, the gradient of a step and the loss with
its state, and leaves out what does not. A step is one micro-batch.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gammapo.benchmark.world import World
from gammapo.errors import RunError
from gammapo.losses import Loss
from gammapo.training.batches import plan_epoch
from gammapo.training.step import Machinery, StepResult, accumulate_gradients
from gammapo.types import PairLogps, TokenizedPair

LATE = 0.2  # share of the steps, at the end, over which drift is averaged


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How every loss is trained.

    `learning_rate` rises over the first `warmup` share of the steps, then falls to 0 along a cosine.
    """

    learning_rate: float
    epochs: int = 1
    pairs_per_step: int = 64
    warmup: float = 0.1
    max_grad_norm: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What training showed. Drifts are means over the last fifth of the steps of log-prob minus the base's,
    nats a token. `evidence` (N,) is what the loss held for each label when it last met the pair: its clarity,
    or its reward gap if it has no clarity; `likely` (N,) the same as the probability that the label is right,
    which by Bradley–Terry is σ of the gap."""

    chosen_drift: float
    rejected_drift: float
    evidence: NDArray[np.float64]
    likely: NDArray[np.float64]
    steps: int


def fit(
    world: World,
    policy: nn.Module,
    pairs: Sequence[TokenizedPair],
    loss: Loss,
    settings: FitSettings,
    seed: int,
) -> Trace:
    """Train `policy` in place. Order and steps depend on the seed and the number of pairs alone.

    Raises:
        RunError: the loss or the gradient is not finite.
    """
    plans = [
        plan_epoch(
            [1] * len(pairs),  # every step is one micro-batch, whatever its tokens
            pairs_per_step=settings.pairs_per_step,
            tokens_per_batch=len(pairs),
            seed=seed,
            epoch=epoch,
        )
        for epoch in range(settings.epochs)
    ]
    steps = [plan.pairs for epoch in plans for plan in epoch]
    loss = loss.planned(len(steps), fresh_steps=len(plans[0]))
    machinery = Machinery(
        forward=lambda _, batch: world.logps(policy, batch),
        backward=lambda value: value.backward(),
        guard=lambda _: contextlib.nullcontext(),
        gather=_in_place,
    )
    optimiser = torch.optim.AdamW(policy.parameters(), lr=settings.learning_rate, weight_decay=0.0)
    evidence, likely = np.full((2, len(pairs)), np.nan)
    drifts, state = [], None
    policy.train()
    for number, chosen in enumerate(steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * scale(number, len(steps), settings.warmup)
        batch, places = [pairs[index] for index in chosen], range(len(chosen))
        optimiser.zero_grad()
        found = accumulate_gradients([batch], [places], len(batch), loss, state, machinery)
        norm = nn.utils.clip_grad_norm_(policy.parameters(), settings.max_grad_norm)
        if not (torch.isfinite(norm) and torch.isfinite(found.output.per_pair).all()):
            raise RunError(f"step {number + 1} of {len(steps)}: loss or gradient is not finite")
        optimiser.step()
        state = found.output.state
        gaps, clarity = found.output.reward_gaps, found.output.clarity
        evidence[list(chosen)] = (gaps if clarity is None else clarity).cpu().numpy()
        likely[list(chosen)] = (gaps.sigmoid() if clarity is None else clarity).cpu().numpy()
        drifts.append(_drift(found))
    policy.eval()
    late = np.array(drifts[-max(1, round(LATE * len(drifts))) :]).mean(0)
    return Trace(
        chosen_drift=float(late[0]),
        rejected_drift=float(late[1]),
        evidence=evidence,
        likely=likely,
        steps=len(steps),
    )


def scale(step: int, steps: int, warmup: float) -> float:
    """Share of the learning rate at a step: a linear rise, then a cosine's fall."""
    rise = max(1, round(warmup * steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def _in_place(local: Tensor, positions: Sequence[int]) -> Tensor:
    whole = torch.empty_like(local)
    whole[list(positions)] = local
    return whole


def _drift(found: StepResult) -> tuple[float, float]:
    logps: PairLogps = found.logps
    if logps.reference_chosen is None or logps.reference_rejected is None:
        return math.nan, math.nan
    chosen = ((logps.chosen - logps.reference_chosen) / logps.chosen_length).mean()
    rejected = ((logps.rejected - logps.reference_rejected) / logps.rejected_length).mean()
    return float(chosen), float(rejected)
