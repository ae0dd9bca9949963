"""Prompts of the constraint world: a subject and one or two constraints, written out and read back."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gammapo.benchmark.worlds.constraints import KINDS, Constraint, Kind
from gammapo.benchmark.worlds.subjects import HELD_OUT, TRAIN, Subject
from gammapo.errors import InputError
from gammapo.types import Message

OPENERS = ("Describe {} briefly.", "Tell me briefly about {}.", "Briefly describe {}.")

# pairs of kinds that no training prompt asks for together; a quarter of the held-out prompts do
HELD_OUT_COMBINATIONS = (
    frozenset({"one_sentence", "to_reader"}),
    frozenset({"no_commas", "include_word"}),
    frozenset({"max_words", "question"}),
)
TWO_CONSTRAINTS = 0.5  # share of training prompts that ask for two things


@dataclass(frozen=True, kw_only=True)
class Task:
    """What one prompt asks: text about the subject that obeys every constraint."""

    subject: Subject
    constraints: tuple[Constraint, ...]
    prompt: str

    @property
    def messages(self) -> tuple[Message, ...]:
        return (Message(role="user", content=self.prompt),)

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(constraint.kind.name for constraint in self.constraints)


def composable(first: Kind, second: Kind) -> bool:
    """Whether one answer can be asked to obey both: they are different and fix no common aspect."""
    return first.name != second.name and first.touches.isdisjoint(second.touches)


def train_tasks(count: int, *, seed: int = 0) -> list[Task]:
    """`count` distinct prompts over the training subjects, none with a held-out combination.

    The kinds come round equally often. A larger count begins with the same tasks.
    """
    allowed = [
        frozenset({first.name, second.name})
        for first, second in itertools.combinations(KINDS.values(), 2)
        if composable(first, second)
    ]
    combinations = sorted(sorted(pair) for pair in allowed if pair not in HELD_OUT_COMBINATIONS)
    return _tasks(count, TRAIN, combinations, share=TWO_CONSTRAINTS, rng=random.Random(f"train:{seed}"))


def held_out_tasks(count: int = 120, *, seed: int = 0) -> list[Task]:
    """`count` distinct prompts over the held-out subjects; a quarter ask for a held-out combination."""
    combinations = sorted(sorted(pair) for pair in HELD_OUT_COMBINATIONS)
    return _tasks(count, HELD_OUT, combinations, share=0.25, rng=random.Random(f"held-out:{seed}"))


def _tasks(
    count: int, subjects: Sequence[Subject], combinations: list[list[str]], share: float, rng: random.Random
) -> list[Task]:
    tasks: dict[str, Task] = {}
    subject_rounds, kind_rounds, pair_rounds = (
        _rounds(items, rng) for items in (list(subjects), list(KINDS), combinations)
    )
    twos = 0
    while len(tasks) < count:
        two = twos < share * (len(tasks) + 1) - 0.5
        names = next(pair_rounds) if two else [next(kind_rounds)]
        task = _compose(next(subject_rounds), names, rng)
        if task.prompt not in tasks:
            tasks[task.prompt] = task
            twos += two
    return list(tasks.values())


def _rounds(items: list, rng: random.Random):
    """Every item once in random order, then again in another order, without end."""
    while True:
        yield from rng.sample(items, len(items))


def _compose(subject: Subject, names: Sequence[str], rng: random.Random) -> Task:
    order = rng.sample(list(names), len(names))
    constraints = tuple(Constraint(kind=KINDS[name], value=rng.choice(KINDS[name].values)) for name in order)
    asked = [rng.choice(constraint.kind.phrases).format(constraint.value) for constraint in constraints]
    prompt = " ".join([rng.choice(OPENERS).format(subject.phrase), *asked])
    return Task(subject=subject, constraints=constraints, prompt=prompt)


def parse(prompt: str) -> Task:
    """Read a prompt back.

    Raises:
        InputError: the prompt is not of this world.
    """
    text = " ".join(prompt.split())
    opened = _OPENING.match(text)
    constraints, place = [], opened.end() if opened else 0
    while opened and place < len(text):
        asked = _ASKED.match(text, place)
        if asked is None or asked.lastgroup is None:
            break
        kind, phrase = _PHRASES[asked.lastgroup]
        value = next((value for value in kind.values if phrase.format(value) == asked.group().strip()), "")
        constraints.append(Constraint(kind=kind, value=value))
        place = asked.end()
    if opened is None or place < len(text) or not constraints:
        raise InputError(
            f"{text[:60]!r} is not a prompt of the constraint world",
            field="prompt",
            expected="a prompt made by gammapo.benchmark.worlds (train_tasks or held_out_tasks)",
            fix="score these answers with another judge, or take the world's prompts",
        )
    subject = _SUBJECTS[next(group for group in opened.groups() if group)]
    return Task(subject=subject, constraints=tuple(constraints), prompt=prompt)


_SUBJECTS = {subject.phrase: subject for subject in (*TRAIN, *HELD_OUT)}
_OPENING = re.compile(
    "|".join(
        re.escape(opener).replace(r"\{\}", "(" + "|".join(map(re.escape, _SUBJECTS)) + ")")
        for opener in OPENERS
    )
)
_PHRASES = {
    f"{name}_{number}": (kind, phrase)
    for name, kind in KINDS.items()
    for number, phrase in enumerate(kind.phrases)
}
_ASKED = re.compile(
    "|".join(
        rf"(?P<{group}>\s*"
        + re.escape(phrase).replace(r"\{\}", "(?:" + "|".join(map(re.escape, kind.values)) + ")")
        + ")"
        for group, (kind, phrase) in _PHRASES.items()
    )
)
