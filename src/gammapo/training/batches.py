"""Which pairs form an optimiser step, and how a step is cut over ranks and micro-batches.

A step always holds the same number of pairs; the cut only decides who reads what when. Losses, margins
and windows see the step's pairs in the step's own order, so that the cut never changes the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gammapo.errors import InputError
from gammapo.types import TokenizedPair


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """One optimiser step.

    `pairs` are indices into the data set, in the step's own order. `parts[rank][micro]` are positions in
    `pairs`. Every rank has the same number of micro-batches, as sharded models must call forward together.
    """

    pairs: tuple[int, ...]
    parts: tuple[tuple[tuple[int, ...], ...], ...]


def plan_epoch(
    tokens: Sequence[int],
    *,
    pairs_per_step: int,
    tokens_per_batch: int,
    world_size: int = 1,
    seed: int = 0,
    epoch: int = 0,
) -> list[StepPlan]:
    """Cut one epoch into steps, and each step into micro-batches under a token budget.

    Args:
        tokens: tokens of each pair with its prompt counted once.
        pairs_per_step: pairs in every optimiser step; the last one of an epoch takes what is left.
        tokens_per_batch: the most tokens a micro-batch holds, except that one pair may exceed it alone.
        world_size: number of ranks; a last step with fewer pairs than ranks is left out.
        seed, epoch: together they decide the order, the same on every rank.
    """
    if not tokens:
        raise InputError(
            "no pairs to train on", expected="at least one", fix="check the data and its filters"
        )
    order = np.random.default_rng([seed, epoch]).permutation(len(tokens)).tolist()
    chunks = [order[start : start + pairs_per_step] for start in range(0, len(order), pairs_per_step)]
    chunks = [chunk for chunk in chunks if len(chunk) >= world_size]
    if not chunks:
        raise InputError(
            f"{len(tokens)} pairs cannot be shared by {world_size} processes",
            expected=f"at least {world_size} pairs",
            fix="use fewer processes or more pairs",
        )
    return [_plan_step(chunk, tokens, tokens_per_batch, world_size) for chunk in chunks]


def _plan_step(chunk: list[int], tokens: Sequence[int], budget: int, world_size: int) -> StepPlan:
    sizes = [tokens[index] for index in chunk]
    least = max(1, -(-sum(sizes) // budget))
    count = -(-least // world_size) * world_size
    most = len(chunk) // world_size * world_size  # every micro-batch holds at least one pair
    groups = _spread(sizes, min(count, most))
    while count < most and any(len(group) > 1 and _weight(group, sizes) > budget for group in groups):
        count += world_size
        groups = _spread(sizes, min(count, most))
    groups.sort(key=lambda group: -_weight(group, sizes))
    # deal heavy and light micro-batches out in turns, so that ranks finish together
    parts: list[list[tuple[int, ...]]] = [[] for _ in range(world_size)]
    for start in range(0, len(groups), world_size):
        row = groups[start : start + world_size]
        for rank, group in enumerate(row if (start // world_size) % 2 == 0 else reversed(row)):
            parts[rank].append(tuple(sorted(group)))
    return StepPlan(pairs=tuple(chunk), parts=tuple(tuple(rank) for rank in parts))


def _spread(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Longest first, each into the lightest group (ties by number): balanced within 4/3 of the best."""
    groups: list[list[int]] = [[] for _ in range(count)]
    weights = [0] * count
    for position in sorted(range(len(sizes)), key=lambda position: (-sizes[position], position)):
        lightest = min(range(count), key=lambda group: (len(groups[group]) > 0, weights[group], group))
        groups[lightest].append(position)
        weights[lightest] += sizes[position]
    return groups


def _weight(group: Sequence[int], sizes: Sequence[int]) -> int:
    return sum(sizes[position] for position in group)


@dataclass(frozen=True, kw_only=True)
class StepBatch:
    """What one rank receives of a step: its micro-batches, and the plan they come from."""

    plan: StepPlan
    ids: tuple[str, ...]  # of all the step's pairs, in the step's own order
    tokens: int  # of all the step's pairs, prompts counted once
    micro_batches: tuple[tuple[TokenizedPair, ...], ...]


class StepDataset:
    """A map-style data set whose items are whole optimiser steps, as one rank sees them."""

    def __init__(
        self,
        pairs: Sequence[TokenizedPair],
        *,
        pairs_per_step: int,
        tokens_per_batch: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ):
        self.pairs, self.rank, self.world_size = pairs, rank, world_size
        self._settings = {
            "pairs_per_step": pairs_per_step,
            "tokens_per_batch": tokens_per_batch,
            "world_size": world_size,
            "seed": seed,
        }
        self._tokens = [pair.tokens for pair in pairs]
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self.plans = plan_epoch(self._tokens, epoch=epoch, **self._settings)

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, index: int) -> StepBatch:
        plan = self.plans[index]
        mine = plan.parts[self.rank]
        return StepBatch(
            plan=plan,
            ids=tuple(self.pairs[i].id for i in plan.pairs),
            tokens=sum(self._tokens[i] for i in plan.pairs),
            micro_batches=tuple(tuple(self.pairs[plan.pairs[at]] for at in micro) for micro in mine),
        )
