"""What a loss of ours needs in a trainer that is not: its state, its ledger, and the other ranks' pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gammapo import data
from gammapo.data.faults import RowError
from gammapo.data.ids import RepeatNumbers
from gammapo.data.shapes import classify, parse
from gammapo.losses.spec import Loss
from gammapo.training.ledger import Ledger
from gammapo.types import LossOutput, PairLogps

STATE = "gammapo_loss_state.pt"
LEDGER = "ledger.parquet"
PAIR_ID = "pair_id"


class LossKeeper:
    """Calls a loss batch by batch, carrying its state over and noting every pair.

    Args:
        loss: see `losses.create`.
        gather: (b, K) of this rank → (world·b, K) of all ranks, in the order of ranks.
        gather_objects: the same for a list.
        rank, world: this process and how many there are.
    """

    def __init__(
        self,
        loss: Loss,
        gather: Callable[[Tensor], Tensor],
        gather_objects: Callable[[list], list],
        rank: int = 0,
        world: int = 1,
    ):
        self._given = self.loss = loss
        self.state, self.ledger = None, Ledger()
        self._gather, self._gather_objects = gather, gather_objects
        self._rank, self._world = rank, world

    def plan(self, calls: int, epoch: int | None) -> None:
        """Begin a run afresh, and tell a loss with a schedule how many batches it has.

        Args:
            epoch: batches of one pass over the data; None for a stream, all of whose pairs count as new.
        """
        # from the loss as it was given: a plan fills in only what is open, and a new run has a new length
        self.loss = self._given.planned(calls, fresh_steps=epoch)
        self.state, self.ledger = None, Ledger()  # a trainer may be told to train a second time

    def __call__(self, logps: PairLogps) -> LossOutput:
        """The loss of this batch over all ranks, with the state as it is; nothing is noted.

        Margins and windows see all ranks' pairs. The gradient of `loss` by this rank's log-probs is scaled so
        that averaging gradients over ranks gives the gradient of the mean over all pairs.
        """
        if self.state is not None:  # of a checkpoint, it was read to the CPU
            self.state = {name: value.to(logps.chosen.device) for name, value in self.state.items()}
        if self._world == 1:
            return self.loss(logps, self.state)
        out = self.loss(self._everyone(logps), self.state)
        own = (out.loss - out.loss.detach()) * self._world
        return replace(out, loss=out.loss.detach() + own)

    def note(self, output: LossOutput, ids: Sequence[str] | None, step: int, epoch: float) -> None:
        """After a training batch: keep the state, and write the pairs into the ledger."""
        self.state = output.state
        if ids is not None:
            everyone = list(ids) if self._world == 1 else self._gather_objects(list(ids))
            if self._rank == 0:
                self.ledger.add(everyone, step, epoch, output)

    def save(self, folder: Path) -> None:
        if self._rank == 0:  # it is the same on every rank
            torch.save(dict(self.state or {}), folder / STATE)
            self.ledger.save(folder / LEDGER)

    def load(self, folder: Path) -> None:
        """Go on from a checkpoint; one without our files (of another trainer) starts afresh."""
        if (folder / STATE).is_file():
            # to the CPU: a tensor of the rank that saved it would come back on that rank's GPU
            self.state = torch.load(folder / STATE, weights_only=True, map_location="cpu") or None
        if (folder / LEDGER).is_file():
            self.ledger.load(folder / LEDGER)

    def _everyone(self, logps: PairLogps) -> PairLogps:
        names = [item.name for item in fields(PairLogps) if getattr(logps, item.name) is not None]
        own = torch.stack([getattr(logps, name) for name in names], dim=1)
        whole = self._gather(own.detach().contiguous())
        start = self._rank * len(own)
        whole = torch.cat([whole[:start], own, whole[start + len(own) :]])
        return PairLogps(**{name: whole[:, column] for column, name in enumerate(names)})


def with_ids(dataset: Any) -> Any:
    """The data set with the column `pair_id`: the ids that gammapo gives the same rows elsewhere.

    Only a `datasets.Dataset` is named. Anything else, an `IterableDataset` above all, is returned as it is: a
    stream is not read twice. DPOTrainer trains on it all the same, but the ledger stays empty; TRL's
    CPOTrainer takes no streams.

    Raises:
        InputError: naming the row that is no preference pair.
    """
    from datasets import Dataset

    if not isinstance(dataset, Dataset) or PAIR_ID in dataset.column_names:
        return dataset
    repeats, ids = RepeatNumbers(), []
    row: Any  # of a plain data set a dict, which its annotation leaves open
    for number, row in enumerate(dataset, start=1):
        try:
            content = parse(row, classify(row))
        except RowError as fault:
            raise fault.at("train_dataset", number) from None
        stored = row.get("id")
        name = str(stored) if stored else data.pair_id(content.prompt, content.chosen, content.rejected)
        ids.append(repeats.unique(name))
    return dataset.add_column(PAIR_ID, ids)


def metrics_of(output: LossOutput) -> dict[str, Tensor]:
    """Means over all ranks' pairs, under the names that TRL's trainers use."""
    gaps = output.reward_gaps
    values = {
        "rewards/chosen": output.chosen_rewards.mean(),
        "rewards/rejected": output.rejected_rewards.mean(),
        "rewards/accuracies": (gaps > 0).float().mean(),
        "rewards/margins": gaps.mean(),
        "target_margin": output.target_margins.mean(),
    }
    if output.clarity is not None:
        values["clarity"] = output.clarity.mean()
    if output.weights is not None:
        values["weight"] = output.weights.mean()
    return values
