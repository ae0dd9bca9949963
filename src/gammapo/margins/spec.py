"""What a margin is: a function from the gaps of B pairs to their target margins, with frozen options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from gammapo import options as shared
from gammapo import registry
from gammapo.errors import InputError
from gammapo.options import build, option, resolve

__all__ = ["Gaps", "Margin", "MarginSpec", "create", "names", "option", "require"]

require = partial(shared.require, "margin")


@dataclass(frozen=True, kw_only=True)
class Gaps:
    """What a margin may look at, all detached.

    `reward` (B,) are the pairs' reward gaps, in reward units. `score` (B,) are the gaps R_w − R_l of an
    external score, where the data has them. `window` (W,) are recent reward gaps of training, for margins
    that place a gap within a distribution; None means that the B gaps are all there is.
    """

    reward: Tensor
    score: Tensor | None = None
    window: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class MarginSpec:
    """One margin, as declared by its file. `function(gaps, options)` returns (B,) margins, detached."""

    name: str
    formula: str
    source: str
    options: type
    function: Callable[[Gaps, Any], Tensor]
    needs: frozenset[str] = frozenset()  # "scores"
    couples: bool = False  # a pair's margin depends on the other pairs
    notes: str = ""


@dataclass(frozen=True)
class Margin:
    """A margin with its options. Make one with `margins.create`."""

    spec: MarginSpec
    options: Any

    def __call__(self, gaps: Gaps) -> Tensor:
        """Target margins (B,).

        Raises:
            InputError: this margin needs scores and there are none.
        """
        if "scores" in self.spec.needs and gaps.score is None:
            raise InputError(
                f"margin {self.spec.name!r} needs scores, which are missing",
                field="margin",
                expected="chosen_score and rejected_score for every pair",
                fix="take data with annotator or reward-model scores, or another margin",
            )
        return self.spec.function(gaps, self.options)


def create(name: str, **options: Any) -> Margin:
    """The margin of that name (see `names()`), or of `module:attribute`, with its options.

    Raises:
        InputError: an unknown margin, an unknown option, or one of another type or outside its range.
    """
    spec = resolve("margin", name, MarginSpec)
    return Margin(spec, build("margin", name, spec.options, options))


def names() -> list[str]:
    """All registered margins."""
    return registry.names("margin")
