"""The gradient of one optimiser step, exact however the step is cut into micro-batches and ranks.

A loss sees only log-probs, B numbers a side. So the step's loss is differentiated by these numbers first,
and each micro-batch then sends its share back through the model. A loss that couples pairs (adaptive
margins, batch statistics) sees the whole step: all micro-batches but one are first read without gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from gammapo.losses.spec import Loss, State
from gammapo.types import LossOutput, PairLogps, TokenizedPair

MicroBatch = Sequence[TokenizedPair]


@dataclass(frozen=True, kw_only=True)
class Machinery:
    """What the step needs of the trainer.

    `forward(index, micro_batch)` gives log-probs with their graph (unless gradients are switched off);
    `backward(value)` backpropagates a scalar; `guard(last)` wraps a forward and its backward and defers
    gradient synchronisation unless `last`; `gather(local, positions)` turns per-rank values (b, K) and their
    positions in the step into the step's (B, K) on every rank. `gradient_scale` undoes the averaging of
    gradients over ranks.
    """

    forward: Callable[[int, MicroBatch], PairLogps]
    backward: Callable[[Tensor], None]
    guard: Callable[[bool], AbstractContextManager]
    gather: Callable[[Tensor, Sequence[int]], Tensor]
    gradient_scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The step's pairs in the step's own order, the same on every rank; everything is detached."""

    output: LossOutput
    logps: PairLogps


def accumulate_gradients(
    micro_batches: Sequence[MicroBatch],
    positions: Sequence[Sequence[int]],
    step_size: int,
    loss: Loss,
    state: State | None,
    machinery: Machinery,
) -> StepResult:
    """Add the gradient of the step's mean loss to the parameters.

    Args:
        micro_batches: this rank's pairs.
        positions: their positions in the step, micro-batch by micro-batch.
        step_size: pairs of the step over all ranks, B.
        loss, state: the loss and its state before the step.
        machinery: how to run the model.
    """
    whole_step = loss.spec.couples or loss.spec.initial_state is not None
    run = _coupled if whole_step else _separable
    return run(micro_batches, positions, step_size, loss, state, machinery)


def _separable(micro_batches, positions, step_size, loss, state, machinery) -> StepResult:
    seen = []
    for index, micro_batch in enumerate(micro_batches):
        with machinery.guard(index == len(micro_batches) - 1):
            logps = machinery.forward(index, micro_batch)
            seen.append(_detach(logps))
            gradient = _gradient(loss, seen[-1], state, lambda out: out.per_pair.sum() / step_size)
            machinery.backward(_surrogate(logps, gradient) * machinery.gradient_scale)
    logps = _gather(seen, positions, machinery)
    with torch.no_grad():
        output = loss(logps, state)
    return StepResult(output=output, logps=logps)


def _coupled(micro_batches, positions, step_size, loss, state, machinery) -> StepResult:
    del step_size  # the loss sees the whole step and takes its own mean
    with torch.no_grad():
        rest = [
            _detach(machinery.forward(index, micro_batch))
            for index, micro_batch in enumerate(micro_batches[1:], start=1)
        ]
    outputs: list[LossOutput] = []

    def mean(output: LossOutput) -> Tensor:
        outputs.append(output)
        return output.loss

    with machinery.guard(len(micro_batches) == 1):
        held = machinery.forward(0, micro_batches[0])  # the one micro-batch that need not be read twice
        logps = _gather([_detach(held), *rest], positions, machinery)
        gradient = _gradient(loss, logps, state, mean)
        machinery.backward(_surrogate(held, gradient[:, list(positions[0])]) * machinery.gradient_scale)
    for index, micro_batch in enumerate(micro_batches[1:], start=1):
        with machinery.guard(index == len(micro_batches) - 1):
            again = machinery.forward(index, micro_batch)
            share = gradient[:, list(positions[index])]
            machinery.backward(_surrogate(again, share) * machinery.gradient_scale)
    return StepResult(output=_detach_output(outputs[0]), logps=logps)


def _gradient(loss: Loss, logps: PairLogps, state, value: Callable[[LossOutput], Tensor]) -> Tensor:
    """(2, b): the derivative of `value` of the loss by the chosen and the rejected log-probs."""
    chosen = logps.chosen.clone().requires_grad_()
    rejected = logps.rejected.clone().requires_grad_()
    with torch.enable_grad():
        target = value(loss(replace(logps, chosen=chosen, rejected=rejected), state))
    by_chosen, by_rejected = torch.autograd.grad(target, (chosen, rejected), allow_unused=True)
    zero = torch.zeros_like(chosen)
    return torch.stack([zero if side is None else side for side in (by_chosen, by_rejected)])


def _surrogate(logps: PairLogps, gradient: Tensor) -> Tensor:
    """A scalar whose gradient through the model is the loss's."""
    return (logps.chosen * gradient[0] + logps.rejected * gradient[1]).sum()


def _gather(parts: Sequence[PairLogps], positions: Sequence[Sequence[int]], machinery) -> PairLogps:
    present = [item.name for item in fields(PairLogps) if getattr(parts[0], item.name) is not None]
    local = torch.stack([torch.cat([getattr(part, name) for part in parts]) for name in present], dim=1)
    whole = machinery.gather(local, [at for group in positions for at in group])
    return PairLogps(**{name: whole[:, column] for column, name in enumerate(present)})


def _detach(logps: PairLogps) -> PairLogps:
    present = {item.name: getattr(logps, item.name) for item in fields(PairLogps)}
    return PairLogps(**{k: None if v is None else v.detach().float() for k, v in present.items()})  # pyright: ignore[reportArgumentType]


def _detach_output(output: LossOutput) -> LossOutput:
    return replace(output, loss=output.loss.detach(), per_pair=output.per_pair.detach())
