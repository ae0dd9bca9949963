"""A world: prompts, a base policy, and a gold reward that is known, so that robustness can be measured.

A world is made by name from the registry (`create`). Its policies are torch modules; how a policy is read and
sampled is the world's own affair, so that a table and a transformer stand behind the same protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import nn

from gammapo import registry
from gammapo.errors import InputError, nearest
from gammapo.types import Message, PairLogps, PreferencePair, TokenizedPair

Prompt = tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A policy on the held-out prompts of a seed, one value a prompt (n,).

    `gold` is the gold reward of its answer, in [0, 1]; `length` the answer's tokens; `log_ratio` (m,) log π −
    log π_base of the first m answers in nats, whose mean estimates the KL divergence from the base.
    """

    gold: NDArray[np.float64]
    length: NDArray[np.float64]
    log_ratio: NDArray[np.float64]


class World(Protocol):
    """What the grid needs of a world. Everything random comes from the seed that is passed in."""

    name: str

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        """Training prompts; the held-out ones of `measure` are never among them."""
        ...

    def base(self) -> nn.Module:
        """A fresh copy of the base policy, ready to be trained."""
        ...

    def gold(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        """The gold reward of each answer, in [0, 1]."""
        ...

    def pairs(self, count: int, seed: int) -> list[PreferencePair]:
        """On-policy pairs of the base, Bradley–Terry labelled on the gold gap; their scores are gold."""
        ...

    def held_out_pairs(self, seed: int) -> list[PreferencePair]:
        """Pairs that no run of this seed trains on, the answer of more gold as the chosen one."""
        ...

    def external_scores(self, pairs: Sequence[PreferencePair], seed: int) -> list[PreferencePair]:
        """The pairs with an imperfect outside scorer's scores in place of gold."""
        ...

    def encode(self, pairs: Sequence[PreferencePair]) -> list[TokenizedPair]:
        """Token ids, with log-probs under the base as reference."""
        ...

    def logps(self, policy: nn.Module, pairs: Sequence[TokenizedPair]) -> PairLogps:
        """Summed log-probs of both answers, differentiable in the policy."""
        ...

    def measure(self, policy: nn.Module, seed: int) -> Measured:
        """The policy's answers to the seed's held-out prompts, drawn with the seed's random numbers."""
        ...

    def describe(self) -> dict[str, Any]:
        """Facts for the results: what the base is worth, and how far its likelihood predicts gold."""
        ...


def create(name: str, *, device: str = "cpu", **options: Any) -> World:
    """The world of that name (`registry.names("world")`), or of a user's `module:attribute`.

    Args:
        device: passed on to a world that takes one. Its policies are made, read and judged there.

    Raises:
        InputError: an unknown world, or an option that it does not have.
    """
    made = registry.resolve("world", name)
    takes = check_options(name, options)
    return made(**options, **({"device": device} if "device" in takes else {}))


def check_options(name: str, options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters that the world of that name takes.

    Raises:
        InputError: an unknown world, or an option that it does not have.
    """
    import inspect

    takes = inspect.signature(registry.resolve("world", name)).parameters
    known = [key for key in takes if key not in ("self", "device")]
    for key in options:
        if key not in known:
            expected = nearest(key, known) if known else "no options"
            raise InputError(f"world {name!r} has no option {key!r}", field=f"world.{key}", expected=expected)
    return takes


def label(gold_first: float, gold_second: float, slope: float, uniform: float) -> bool:
    """Whether the first answer is labelled better: Bradley–Terry on the gold gap, by a uniform draw."""
    return bool(uniform < 1 / (1 + np.exp(-slope * (gold_first - gold_second))))


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; 0 where one side does not vary."""
    from scipy.stats import spearmanr

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(spearmanr(first, second).statistic)  # pyright: ignore[reportAttributeAccessIssue]
