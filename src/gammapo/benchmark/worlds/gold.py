"""The gold reward of the constraint world: constraints met × quality of the text, in [0, 1]."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gammapo.benchmark.worlds.fluency import AnswerLogps, answer_logps
from gammapo.benchmark.worlds.quality import FLAWLESS, Quality, assess
from gammapo.benchmark.worlds.tasks import Task, parse
from gammapo.errors import InputError
from gammapo.types import Message

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FLOOR = 0.2  # worth of a flawless text on the subject that obeys nothing


@dataclass(frozen=True, kw_only=True)
class Gold:
    """The gold reward of one answer, and why.

    `met` says of each constraint, by kind, whether the answer obeys it.
    """

    met: dict[str, bool]
    quality: Quality
    logps: AnswerLogps

    @property
    def constraints_met(self) -> float:
        return sum(self.met.values()) / len(self.met)

    @property
    def reward(self) -> float:
        """Worst quality × (FLOOR + (1 − FLOOR) · share of the constraints met).

        Bad text that obeys is worth nothing; good text that obeys nothing is worth a little more than that.
        """
        return self.quality.total * (FLOOR + (1 - FLOOR) * self.constraints_met)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers for tables: the reward, constraints, qualities, and log-prob a token."""
        return {
            "reward": self.reward,
            "constraints_met": self.constraints_met,
            "quality": self.quality.total,
            **self.quality.as_dict(),
            "base_logp_per_token": self.logps.mean,
        }


def gold(task: Task, answer: str, logps: AnswerLogps, is_word: Callable[[str], bool]) -> Gold:
    """The gold reward of an answer whose log-probs under the base are known."""
    quality = assess(answer, prompt=task.prompt, noun=task.subject.noun, logps=logps, is_word=is_word)
    met = {constraint.kind.name: constraint.met(answer) for constraint in task.constraints}
    return Gold(met=met, quality=quality, logps=logps)


class ConstraintScorer:
    """Scores answers to this world's prompts with the gold reward: the scorer `world:constraints`.

    Args:
        model, tokenizer: the frozen base; None loads "smollm2" when it is first needed.
        batch_size: answers read at once.
    """

    name = "world:constraints"

    def __init__(
        self,
        model: PreTrainedModel | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        *,
        batch_size: int = 16,
    ):
        self._given = model, tokenizer
        self.batch_size = batch_size

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        """Gold rewards in [0, 1], one an answer.

        The model reads only answers that could be worth something: the reward of the rest is 0 whatever it
        says.

        Raises:
            InputError: a prompt that is not of this world, or not as many prompts as answers.
        """
        tasks = _tasks(prompts, answers)
        hopeful = [
            index
            for index, (task, answer) in enumerate(zip(tasks, answers, strict=True))
            if gold(task, answer, FLAWLESS, self.is_word).reward > 0
        ]
        found = self.explain([prompts[index] for index in hopeful], [answers[index] for index in hopeful])
        rewards = dict(zip(hopeful, (one.reward for one in found), strict=True))
        return [rewards.get(index, 0.0) for index in range(len(answers))]

    def explain(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[Gold]:
        """The same with all that led to it; the model reads every answer."""
        tasks = _tasks(prompts, answers)
        if not tasks:
            return []
        found = answer_logps(self._model, self._tokenizer, answers, batch_size=self.batch_size)
        return [
            gold(task, answer, logps, self.is_word)
            for task, answer, logps in zip(tasks, answers, found, strict=True)
        ]

    @functools.cached_property
    def is_word(self) -> Callable[[str], bool]:
        """Whether a word exists: whether each of its parts is common enough to be one token of the base.

        Such a vocabulary holds about 30,000 whole words; a word that is rarer passes if it is one without a
        regular ending. Numbers pass.
        """
        tokenizer = self._tokenizer

        @functools.cache
        def single(form: str) -> bool:
            return len(tokenizer(" " + form, add_special_tokens=False)["input_ids"]) == 1

        @functools.cache
        def known(word: str) -> bool:
            return all(
                part.isdigit() or any(single(form) for form in word_forms(part)) for part in word.split("-")
            )

        return known

    @functools.cached_property
    def _model(self) -> PreTrainedModel:
        from gammapo import models

        return self._given[0] or models.load_model("smollm2")

    @functools.cached_property
    def _tokenizer(self) -> PreTrainedTokenizerBase:
        from gammapo import models

        return self._given[1] or models.load_tokenizer("smollm2")


def word_forms(word: str) -> list[str]:
    """The word, and what is left without a regular ending; as written, in lowercase and capitalised."""
    stem = word.replace("’", "'").split("'")[0]
    forms = [stem]
    for ending in ("s", "es", "ed", "d", "ly", "ing"):
        cut = stem.lower().removesuffix(ending)
        if cut != stem.lower() and len(cut) > 2:
            forms.append(cut)
    return [shape for form in forms for shape in (form, form.lower(), form.capitalize())]


def _tasks(prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[Task]:
    if len(prompts) != len(answers):
        raise InputError(f"got {len(prompts)} prompts and {len(answers)} answers", expected="as many")
    return [parse(prompt[-1].content if prompt else "") for prompt in prompts]
