"""Scores become judgements: the better score wins, surely or as surely as the gap says."""

from __future__ import annotations

import json
import math
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from gammapo.errors import GammapoError, InputError, RunError
from gammapo.judging.spec import Comparison, Judge, Progress, Scorer
from gammapo.types import Judgement, Message


def sign(gap: float) -> float:
    """Probability that the model wins: 1, 0, or ½ for equal scores."""
    return 0.5 + 0.5 * ((gap > 0) - (gap < 0))


def sigmoid(gap: float) -> float:
    """Probability that the model wins under Bradley–Terry, σ(gap), for scores that are log-odds."""
    return 1 / (1 + math.exp(-gap)) if gap >= 0 else math.exp(gap) / (1 + math.exp(gap))


LINKS: dict[str, Callable[[float], float]] = {"sign": sign, "sigmoid": sigmoid}

MAKES = "as `comparison.judged(preference, annotator)` makes it"


class ScorerJudge:
    """Judges by the gap of two scores: preference = 1 + link(score of output_2 − score of output_1).

    The link is the scorer's own attribute `link` where it has one ("sigmoid" for reward models, whose
    scores are log-odds), otherwise "sign".
    """

    def __init__(self, scorer: Scorer, *, name: str, link: str | None = None):
        link = link or getattr(scorer, "link", "sign")
        if link not in LINKS:
            raise InputError(f"got {link!r}", field="link", expected="one of " + ", ".join(LINKS))
        self.scorer, self.name, self.link = scorer, name, LINKS[link]

    def judge(
        self, comparisons: Sequence[Comparison], *, progress: Progress | None = None
    ) -> list[Judgement]:
        """See `Judge.judge`. Scores are kept in `extra`."""
        prompts = [comparison.prompt for comparison in comparisons]
        answers = [comparison.output_1 for comparison in comparisons]
        answers += [comparison.output_2 for comparison in comparisons]
        scores = checked_scores(self.scorer, [*prompts, *prompts], answers, self.name)
        if progress:
            progress(len(comparisons), len(comparisons))
        pairs = zip(scores[: len(comparisons)], scores[len(comparisons) :], strict=True)
        return [
            comparison.judged(1 + self.link(second - first), self.name, score_1=first, score_2=second)
            for comparison, (first, second) in zip(comparisons, pairs, strict=True)
        ]


def checked_scores(
    scorer: Scorer, prompts: Sequence[Sequence[Message]], answers: Sequence[str], name: str
) -> list[float]:
    """The scores as floats, one an answer and finite.

    Raises:
        InputError: the scorer returns another number of scores, or one that is no finite number.
    """
    scores = list(scorer.score(prompts, answers))
    if len(scores) != len(answers):
        raise InputError(
            f"{name!r} returned {len(scores)} scores",
            expected=f"{len(answers)}, one an answer",
            field="judge",
        )
    for number, score in enumerate(scores, 1):
        if not _finite(score):
            raise InputError(
                f"{name!r} scored answer {number} as {_shown(score)}",
                expected="a finite number",
                field="judge",
            )
    return [float(score) for score in scores]


def _shown(score: Any) -> str:
    try:
        return repr(score)[:40]
    except ValueError:  # an integer of more than 4300 digits
        return "a number too large to write"


def _finite(value: Any) -> bool:
    try:
        return math.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):  # the last for an integer of more than 308 digits
        return False


@dataclass(frozen=True)
class FunctionScorer:
    """A user's function `score(prompts, answers)` as a scorer; `owner` is the object that it belongs to."""

    function: Callable[..., Any]
    name: str
    owner: Any = None

    @property
    def link(self) -> str:
        return getattr(self.function if self.owner is None else self.owner, "link", "sign")

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        with _own_code("scorer", self.name):
            return list(self.function(prompts, answers))


@dataclass(frozen=True)
class OwnJudge:
    """A user's judge, whose judgements are counted and looked at before they are written or averaged."""

    own: Judge
    name: str

    def judge(
        self, comparisons: Sequence[Comparison], *, progress: Progress | None = None
    ) -> list[Judgement]:
        """See `Judge.judge`."""
        with _own_code("judge", self.name):
            found = list(self.own.judge(comparisons, progress=progress))
        if len(found) != len(comparisons):
            raise InputError(
                f"{self.name!r} returned {len(found)} judgements",
                expected=f"{len(comparisons)}, one a comparison",
                field="judge",
            )
        return [
            self._checked(one, comparison, number)
            for number, (one, comparison) in enumerate(zip(found, comparisons, strict=True), 1)
        ]

    def _checked(self, one: Any, comparison: Comparison, number: int) -> Judgement:
        def refuse(problem: str, expected: str) -> InputError:
            return InputError(f"{self.name!r} {problem} {number}", expected=expected, field="judge")

        if not isinstance(one, Judgement):
            raise refuse(f"returned a {type(one).__name__} as judgement", "a Judgement, " + MAKES)
        asked = (comparison.instruction, comparison.output_1, comparison.output_2)
        if (one.instruction, one.output_1, one.output_2) != asked:
            raise refuse(
                "returned the judgement of another comparison as judgement",
                "one a comparison, in order, " + MAKES,
            )
        preference = one.preference
        if preference is not None:
            if not _finite(preference) or isinstance(preference, str | bool) or not 1 <= preference <= 2:
                raise refuse(
                    f"gave the preference {_shown(preference)} in judgement", "a number in [1, 2], or None"
                )
            preference = float(preference)  # of numpy's too
        try:
            json.dumps(dict(one.extra), allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            raise refuse(
                f"gave what JSON cannot hold ({error}) in judgement", "plain values in `extra`"
            ) from error
        return replace(one, preference=preference)


@contextmanager
def _own_code(kind: str, name: str) -> Iterator[None]:
    """A user's own code may raise anything: say where it broke."""
    try:
        yield
    except GammapoError:
        raise
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {error}"
        raise RunError(f"{kind} {name!r} failed at {at.filename}:{at.lineno}: {problem}") from error
