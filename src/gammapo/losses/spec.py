"""What a loss is: a pure function with frozen options and a declaration of what it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gammapo import options as shared
from gammapo import registry
from gammapo.errors import InputError
from gammapo.options import build, defaults, option, resolve
from gammapo.types import LossOutput, PairLogps

__all__ = [
    "NEEDS",
    "Loss",
    "LossSpec",
    "State",
    "check_logps",
    "create",
    "defaults",
    "names",
    "option",
    "require",
    "require_effect",
]

State = Mapping[str, Tensor]

# what a loss may need, and the fields of PairLogps that carry it
NEEDS = {
    "reference": ("reference_chosen", "reference_rejected"),
    "scores": ("chosen_score", "rejected_score"),
    "lengths": ("chosen_length", "rejected_length"),
}


require = partial(shared.require, "loss")


@dataclass(frozen=True, kw_only=True)
class LossSpec:
    """One loss, as declared by its file.

    `function(logps, options)` returns a LossOutput; a stateful loss takes `function(logps, options, state)`
    and returns the next state in the output. `couples` says that a pair's loss, or the next state, depends
    on the other pairs of the step, so that the trainer must show it the whole step at once, however it cuts
    micro-batches. `uses` are optional needs: what the trainer provides when it can.
    """

    name: str
    family: str  # for listings: "dpo", "simpo", "robust", "adaptive margin", "reference-free", …
    formula: str  # per pair, in the notation of docs/losses.md
    source: str  # "arXiv:2405.14734, eq. 6"
    options: type
    function: Callable[..., LossOutput]
    needs: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()
    couples: bool = False
    initial_state: Callable[[Any], State] | None = None
    limits: str = ""  # which loss it becomes at which option
    notes: str = ""  # how the loss treats a flipped pair, and what else to know


@dataclass(frozen=True)
class Loss:
    """A loss with its options, ready to be called. Make one with `losses.create`."""

    spec: LossSpec
    options: Any

    def __call__(self, logps: PairLogps, state: State | None = None) -> LossOutput:
        """The loss of B pairs.

        Args:
            logps: summed log-probs and token counts, each (B,).
            state: the state returned by the previous training batch; None starts afresh. Evaluation
                passes the state in and drops the one that comes out.

        Raises:
            InputError: a tensor of another shape, or one that this loss needs and does not get.

        Half-precision inputs are computed in float32: rewards of thousands would lose their fractions.
        """
        check_logps(logps, self.name, self.needs)
        logps = _in_one_type(logps)
        if self.spec.initial_state is None:
            return self.spec.function(logps, self.options)
        if state is None:
            state = self.initial_state()
        return self.spec.function(logps, self.options, state)

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def needs(self) -> frozenset[str]:
        """What these options cannot do without."""
        return self.spec.needs | getattr(self.options, "needed", frozenset())

    @property
    def uses(self) -> frozenset[str]:
        """Optional needs that these options can make use of; the trainer provides them when it can."""
        return self.spec.uses - getattr(self.options, "unused", frozenset())

    def initial_state(self) -> State:
        """The state before the first batch; empty for a stateless loss."""
        return {} if self.spec.initial_state is None else self.spec.initial_state(self.options)

    def planned(self, total_steps: int, fresh_steps: int | None = None) -> Loss:
        """The loss for a run of so many optimiser steps; the trainer calls it once, before the first step.

        Args:
            total_steps: for losses with a schedule.
            fresh_steps: of these, the first ones, whose pairs are new to the model (one epoch); all, if None.

        Only losses with such options take them; a value that the user gave is kept.
        """
        known = {
            "total_steps": total_steps,
            "fresh_steps": min(total_steps, fresh_steps or total_steps),
        }
        missing = {name: value for name, value in known.items() if getattr(self.options, name, 0) is None}
        return Loss(self.spec, replace(self.options, **missing)) if missing else self

    @property
    def objective(self) -> str:
        """The effective objective in words: formula, then every option with its value."""
        values = ", ".join(
            f"{item.name} = {value}"
            for item in fields(self.options)
            if (value := getattr(self.options, item.name)) is not None
        )
        derived = getattr(self.options, "derived", None)
        return f"{self.spec.name}: {self.spec.formula}; {values}" + (f"; {derived}" if derived else "")


def create(name: str, **options: Any) -> Loss:
    """The loss of that name (see `names()`), with its options.

    Raises:
        InputError: an unknown loss, an unknown option, or one of another type or outside its range.
    """
    spec = resolve("loss", name, LossSpec)
    return Loss(spec, build("loss", name, spec.options, options))


def names() -> list[str]:
    """All registered losses."""
    return registry.names("loss")


def check_logps(logps: PairLogps, loss: str, needs: frozenset[str]) -> None:
    """Raise InputError unless all tensors are (B,), B at least 1, and everything the loss needs is there."""
    shape = logps.chosen.shape
    if logps.chosen.ndim != 1:
        raise InputError(
            f"chosen log-probs have shape {tuple(shape)}",
            field="chosen",
            expected="(B,), one summed log-prob a pair",
            fix="sum the per-token log-probs over the completion first",
        )
    if not len(logps.chosen):
        raise InputError(
            "there are no pairs, and no loss of none",
            field="chosen",
            expected="at least one pair",
            fix="leave out steps without pairs",
        )
    for item in fields(logps):
        value = getattr(logps, item.name)
        if value is None:
            continue
        if value.shape != shape:
            raise InputError(
                f"shape {tuple(value.shape)}",
                field=item.name,
                expected=f"{tuple(shape)}, like the chosen log-probs",
                fix="give one value a pair",
            )
    for need in sorted(needs):
        for name in NEEDS[need]:
            if getattr(logps, name) is None:
                raise InputError(
                    f"loss {loss!r} needs {name}, which is missing",
                    field=name,
                    expected="a tensor (B,)",
                    fix={
                        "reference": "compute log-probs under the frozen reference model",
                        "scores": "take data with annotator or reward-model scores, or another loss",
                        "lengths": "pass the completions' token counts",
                    }[need],
                )


def _in_one_type(logps: PairLogps) -> PairLogps:
    """All tensors in float64 if the chosen log-probs are, else in float32."""
    dtype = torch.float64 if logps.chosen.dtype == torch.float64 else torch.float32
    cast: dict[str, Any] = {}
    for item in fields(logps):
        value = getattr(logps, item.name)
        cast[item.name] = None if value is None else value.to(dtype)
    return PairLogps(**cast)


def require_effect(options: Any, name: str, used: bool, because: str) -> None:
    """Raise InputError for an option that was set although another one makes it do nothing."""
    value = getattr(options, name)
    if not used and value != defaults(type(options))[name]:
        raise InputError(
            f"{value!r} has no effect, because {because}",
            field=f"loss.{name}",
            expected="the option to be left out",
            fix=f"leave {name} out, or change what switches it off",
        )
