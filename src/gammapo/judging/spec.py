"""What a judge and a scorer are, and how a SPEC string becomes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from gammapo import registry
from gammapo.errors import InputError, nearest
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


def create(spec: str, **options: Any) -> Judge:
    """The judge that a SPEC string names; a scorer becomes a judge by comparing its scores.

    Args:
        spec: `rules:FILE`, `reward:PATH`, `openai:MODEL@URL`, `annotations:FILE`, or `module:attribute`,
            which may be a scorer, a judge, a class of either, or a function `score(prompts, answers)`.
        options: of that kind of judge.

    Raises:
        InputError: an unknown kind or option, or an object that neither scores nor judges.
    """
    from gammapo.judging.scorers import ScorerJudge

    made = _make(spec, options)
    return made if isinstance(made, Judge) else ScorerJudge(made, name=spec)


def create_scorer(spec: str, **options: Any) -> Scorer:
    """The scorer that a SPEC string names.

    Raises:
        InputError: as for `create`; also for a judge that only compares.
    """
    made = _make(spec, options)
    if isinstance(made, Scorer):
        return made
    raise InputError(
        f"{spec!r} compares answers and scores none",
        field="scorer",
        expected="rules:FILE, reward:PATH or module:attribute",
    )


def kinds() -> list[str]:
    """All kinds of SPEC that have a name."""
    return registry.names("judge")


def _make(spec: str, options: dict[str, Any]) -> Scorer | Judge:
    kind, colon, rest = spec.partition(":")
    if not colon or not rest:
        forms = "rules:FILE, reward:PATH, openai:MODEL@URL, annotations:FILE or module:attribute"
        raise InputError(f"got {spec!r}", field="judge", expected=forms)
    if kind not in kinds():
        return _own(spec, options)
    factory = registry.resolve("judge", kind)
    known = list(inspect.signature(factory).parameters)[1:]
    for key in options:
        if key not in known:
            expected = nearest(key, known) if known else "no options"
            raise InputError(f"the judge {kind!r} has no option {key!r}", field=key, expected=expected)
    return factory(rest, **options)


def _own(spec: str, options: dict[str, Any]) -> Scorer | Judge:
    """A user's own object, made if it is a class, wrapped if it is a function."""
    from gammapo.judging.scorers import FunctionScorer

    found = registry.resolve("judge", spec)
    if inspect.isclass(found):
        found = found(**options)
    elif options:
        raise InputError(
            f"{spec!r} is no class and so takes no options",
            field=next(iter(options)),
            fix="drop the options, or name a class that takes them",
        )
    if isinstance(found, Scorer | Judge):
        return found
    if callable(found):
        return FunctionScorer(found, name=spec)
    raise InputError(
        f"{spec!r} is {type(found).__name__}",
        field="judge",
        expected="an object with score(prompts, answers) or judge(comparisons), or a scoring function",
    )
