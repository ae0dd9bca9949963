"""What a judge and a scorer are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gammapo.types import Judgement, Message

Progress = Callable[[int, int], None]  # (judged, asked for)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two answers to one prompt. As in AlpacaEval, output_1 is the reference's, output_2 the model's.

    `messages` is the prompt where it is more than one user turn; empty means the instruction alone.
    """

    instruction: str
    output_1: str
    output_2: str
    generator_1: str = "reference"
    generator_2: str = "model"
    dataset: str = ""
    messages: tuple[Message, ...] = ()

    @property
    def prompt(self) -> tuple[Message, ...]:
        return self.messages or (Message(role="user", content=self.instruction),)

    def judged(self, preference: float | None, annotator: str, **extra: Any) -> Judgement:
        """This comparison with its verdict."""
        return Judgement(
            instruction=self.instruction,
            output_1=self.output_1,
            output_2=self.output_2,
            generator_1=self.generator_1,
            generator_2=self.generator_2,
            preference=preference,
            annotator=annotator,
            extra={"dataset": self.dataset, **extra},
        )


@runtime_checkable
class Scorer(Protocol):
    """Scores answers one by one. A higher score is a better answer to that prompt."""

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        """One finite number for each of the N answers, `answers[i]` being given to `prompts[i]`."""
        ...


@runtime_checkable
class Judge(Protocol):
    """Compares answers two by two."""

    def judge(
        self, comparisons: Sequence[Comparison], *, progress: Progress | None = None
    ) -> list[Judgement]:
        """One judgement for every comparison, in order; a preference of None where none could be had.

        Raises:
            RunError: judging broke off; what was paid for is recorded, and the same call goes on from there.
        """
        ...
