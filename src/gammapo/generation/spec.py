"""What every backend answers to: prompts in, n answers a prompt out, in the order of the prompts."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gammapo import registry
from gammapo.errors import InputError, RunError, nearest
from gammapo.types import Generation, Message

Prompt = Sequence[Message]
Progress = Callable[[int, int], None]  # (answers done, answers asked for)
OnResult = Callable[[int, list[Generation]], None]  # (index of the prompt, its n answers)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How answers are drawn.

    Attributes:
        max_new_tokens: longest answer, in tokens; a longer one is cut and says so in its finish reason.
        temperature: 0 is greedy; 1 samples the model's own distribution.
        top_p: nucleus: the fewest likeliest tokens whose probabilities sum to this much are kept.
        n: answers a prompt.
        seed: an answer is a function of model, prompt, sampling and its number among the n alone, so the
            same prompt twice in a set gets the same answers.
    """

    max_new_tokens: int = 512
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    seed: int = 0

    def __post_init__(self):
        for name, good, expected in (
            ("max_new_tokens", self.max_new_tokens >= 1, "at least 1"),
            ("temperature", 0 <= self.temperature < float("inf"), "0 (greedy) or above"),
            ("top_p", 0 < self.top_p <= 1, "above 0, at most 1"),
            ("n", self.n >= 1, "at least 1"),
            ("seed", self.seed >= 0, "0 or above"),
        ):
            if not good:
                raise InputError(
                    f"got {getattr(self, name)}", field=name, expected=expected, fix=f"change {name}"
                )


class RefusedError(RunError):
    """Some prompts cannot be answered. All others were, and their answers handed to `on_result`.

    Attributes:
        refused: the error of each such prompt, by its index among the prompts asked.
    """

    def __init__(self, refused: Mapping[int, Exception]):
        first = min(refused)
        super().__init__(
            f"{len(refused)} prompts cannot be answered, the first is number {first + 1}: {refused[first]}"
        )
        self.refused = dict(refused)


class Backend(Protocol):
    """A way to sample answers. Built by `create`.

    It may also have an attribute `settings`, a dict of plain values: what else answers depend on, beside the
    model's name, the prompt and the sampling. A run that was cut goes on only with the same.
    """

    @property
    def name(self) -> str:
        """What the answers' `generator` field says unless the user names it otherwise."""
        ...

    def generate(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        *,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> list[list[Generation]]:
        """`sampling.n` answers for every prompt, in the order of `prompts`.

        `on_result` is called once a prompt, as soon as its answers are all there, in any order.

        Raises:
            InputError: a prompt that cannot be used.
            RefusedError: prompts that were found unusable only while the others were answered.
            RunError: the backend failed.
        """
        ...


def create(name: str, **options: Any) -> Backend:
    """The backend of that name (see `names()`) with its options.

    Raises:
        InputError: an unknown backend or option.
        MissingExtraError: the backend's package is not installed.
    """
    factory = registry.resolve("generator", name)
    known = [key for key in inspect.signature(factory).parameters if key != "self"]
    for key in options:
        if key not in known:
            raise InputError(
                f"the backend {name!r} has no option {key!r}", field=key, expected=nearest(key, known)
            )
    return factory(**options)


def names() -> list[str]:
    """All registered backends."""
    return registry.names("generator")
