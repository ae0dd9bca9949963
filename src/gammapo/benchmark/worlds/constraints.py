"""The kinds of constraint: how each is asked for, and how an answer is checked. Pure functions of text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gammapo.benchmark.worlds.text import bullets, last_mark, sentences, words

COLORS = frozenset(
    """red orange yellow green blue purple violet pink brown black white gray grey gold golden silver crimson
    scarlet turquoise beige ivory emerald amber indigo teal maroon lavender magenta""".split()
)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of constraint.

    Args:
        name: how reports call it.
        phrases: ways to ask; "{}" stands for the value.
        check: (answer, value) → whether the answer obeys.
        values: what "{}" may be; (None,) for a kind without a value.
        touches: the aspects of an answer that it fixes. Two kinds compose if they share none.
    """

    name: str
    phrases: tuple[str, ...]
    check: Callable[[str, str], bool] = field(repr=False)
    values: tuple[str, ...] = ("",)
    touches: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A kind with its value: what one prompt asks."""

    kind: Kind
    value: str = ""

    def met(self, answer: str) -> bool:
        """Whether the answer obeys. An answer without words obeys nothing."""
        return bool(words(answer)) and self.kind.check(answer.strip(), self.value)


def _has_word(answer: str, word: str) -> bool:
    return word.lower() in (found.lower() for found in words(answer))


def _first_word(answer: str) -> str:
    return next(iter(words(answer)), "").lower()


def _in_range(answer: str, value: str) -> bool:
    low, high = map(int, value.split(" and "))
    return low <= len(words(answer)) <= high


def _kinds(*kinds: Kind) -> dict[str, Kind]:
    return {kind.name: kind for kind in kinds}


KINDS = _kinds(
    Kind(
        name="one_sentence",
        phrases=("Answer with exactly one sentence.", "Use one sentence only."),
        check=lambda answer, _: len(sentences(answer)) == 1,
        touches=frozenset({"shape"}),
    ),
    Kind(
        name="two_sentences",
        phrases=("Answer with exactly two sentences.", "Write two sentences, no more and no fewer."),
        check=lambda answer, _: len(sentences(answer)) == 2,
        touches=frozenset({"shape"}),
    ),
    Kind(
        name="max_words",
        phrases=("Use at most {} words.", "Keep it to {} words or fewer."),
        check=lambda answer, value: len(words(answer)) <= int(value),
        values=("15", "20", "25"),
        touches=frozenset({"length"}),
    ),
    Kind(
        name="word_range",
        phrases=("Use between {} words.", "Your answer should have between {} words."),
        check=_in_range,
        values=("10 and 20", "15 and 25", "20 and 30"),
        touches=frozenset({"length"}),
    ),
    Kind(
        name="no_commas",
        phrases=("Do not use any commas.", "Write without commas."),
        check=lambda answer, _: "," not in answer,
    ),
    Kind(
        name="lowercase",
        phrases=("Write in lowercase letters only.", "Use no capital letters."),
        check=lambda answer, _: answer == answer.lower(),
        touches=frozenset({"case"}),
    ),
    Kind(
        name="question",
        phrases=("End with a question.", "Ask me a question at the end."),
        check=lambda answer, _: last_mark(answer) == "?",
        touches=frozenset({"end"}),
    ),
    Kind(
        name="exclamation",
        phrases=("Be excited and end with an exclamation mark!", "End with an exclamation mark!"),
        check=lambda answer, _: last_mark(answer) == "!",
        touches=frozenset({"end"}),
    ),
    Kind(
        name="first_word",
        phrases=('Begin with the word "{}".', 'Start with the word "{}".'),
        check=lambda answer, value: _first_word(answer) == value.lower(),
        values=("The", "A", "Imagine", "In", "Every"),
        touches=frozenset({"start", "case"}),
    ),
    Kind(
        name="include_word",
        phrases=('Use the word "{}".', 'Include the word "{}".'),
        check=_has_word,
        values=("ancient", "quiet", "simple", "morning", "people", "often", "small", "remember", "because"),
    ),
    Kind(
        name="avoid_word",
        phrases=('Do not use the word "{}".', 'Avoid the word "{}".'),
        check=lambda answer, value: not _has_word(answer, value),
        values=("the", "is", "and", "of", "a"),
    ),
    Kind(
        name="number",
        phrases=("Include a number, such as 3 or 1920.", "Mention a number written in digits."),
        check=lambda answer, _: bool(re.search(r"\d", answer)),
    ),
    Kind(
        name="color",
        phrases=("Mention a color.", "Name at least one color."),
        check=lambda answer, _: not COLORS.isdisjoint(word.lower() for word in words(answer)),
    ),
    Kind(
        name="three_bullets",
        phrases=("Answer with exactly three short bullet points.", "Give three short bullet points only."),
        check=lambda answer, _: bullets(answer) == (3, 0),
        touches=frozenset({"shape", "length", "start", "end"}),
    ),
    Kind(
        name="to_reader",
        phrases=('Speak to the reader as "you".', 'Speak to me directly and say "you".'),
        check=lambda answer, _: bool({"you", "your", "you're", "yours"} & {w.lower() for w in words(answer)}),
    ),
)
