"""Verifiable rules from a YAML or JSON file: an answer's score is the weighted share of rules it keeps.

rules:
  - max_words: 50
  - includes: [river, sea]        # all of them, in any case
    weight: 2
  - not_matches: "(?i)as an ai"   # a regular expression, searched
    when: "(?i)poem"              # only where the user's last turn matches
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError, nearest
from gammapo.types import Message

Test = Callable[[str], bool]
LARGEST = 1e100  # weight of a rule


def _texts(value: Any) -> list[str]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise ValueError("text, or a list of texts")
    return [text.casefold() for text in texts]


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number, 0 or above")
    return value


def _pattern(value: Any) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except (re.error, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def words(answer: str) -> int:
    """Runs of letters, digits and the signs inside them, such as "don't" or "3.5"."""
    return len(re.findall(r"\w+(?:[.,'’-]\w+)*", answer))


def sentences(answer: str) -> int:
    """Stretches of text that end with a full stop, a question or exclamation mark, or the answer's end."""
    return len([part for part in re.split(r"(?<=[.!?])\s+", answer.strip()) if part])


def _no_number(name: str) -> None:
    raise ValueError(name)


def _is_json(answer: str) -> bool:
    try:
        # Python also reads NaN and Infinity, which JSON does not have, and minds how long an integer is
        json.loads(answer, parse_constant=_no_number, parse_int=str)
    except (ValueError, RecursionError):  # the latter for thousands of brackets in a row
        return False
    return True


# kind of rule → (how its value is checked, value → test of an answer)
KINDS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Test]]] = {
    "matches": (_pattern, lambda pattern: lambda answer: bool(pattern.search(answer))),
    "not_matches": (_pattern, lambda pattern: lambda answer: not pattern.search(answer)),
    "includes": (_texts, lambda texts: lambda answer: all(text in answer.casefold() for text in texts)),
    "includes_any": (_texts, lambda texts: lambda answer: any(text in answer.casefold() for text in texts)),
    "excludes": (_texts, lambda texts: lambda answer: not any(text in answer.casefold() for text in texts)),
    "starts_with": (_text, lambda text: lambda answer: answer.strip().startswith(text)),
    "ends_with": (_text, lambda text: lambda answer: answer.strip().endswith(text)),
    "equals": (_text, lambda text: lambda answer: answer.strip() == text.strip()),
    "min_words": (_count, lambda count: lambda answer: words(answer) >= count),
    "max_words": (_count, lambda count: lambda answer: words(answer) <= count),
    "min_characters": (_count, lambda count: lambda answer: len(answer) >= count),
    "max_characters": (_count, lambda count: lambda answer: len(answer) <= count),
    "min_sentences": (_count, lambda count: lambda answer: sentences(answer) >= count),
    "max_sentences": (_count, lambda count: lambda answer: sentences(answer) <= count),
    "json": (_flag, lambda wanted: lambda answer: _is_json(answer) is wanted),
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: does an answer keep it, how much does it weigh, and for which prompts is it meant."""

    kind: str
    test: Test
    weight: Fraction = Fraction(1)  # as it was written, so that 0.1 and 0.2 are as much as 0.3
    when: re.Pattern[str] | None = None

    def meant_for(self, prompt: Sequence[Message]) -> bool:
        if self.when is None:
            return True
        asked = [message.content for message in prompt if message.role == "user"]
        return bool(asked and self.when.search(asked[-1]))


class RuleScorer:
    """Score in [0, 1]: Σ weight of kept rules / Σ weight of rules meant for the prompt; 1 where none is.

    Scores of two answers are compared by sign: the one that keeps more wins, equal scores are a draw.

    Raises:
        InputError: naming the file, the rule (counted from 1) and the key at fault.
    """

    link = "sign"

    def __init__(self, path: str | Path):
        self.rules = read_rules(path)

    def score(self, prompts: Sequence[Sequence[Message]], answers: Sequence[str]) -> list[float]:
        """See `Scorer.score`."""
        return [self._one(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]

    def _one(self, prompt: Sequence[Message], answer: str) -> float:
        meant = [rule for rule in self.rules if rule.meant_for(prompt)]
        if not meant:
            return 1.0
        kept = sum(rule.weight for rule in meant if rule.test(answer))
        return float(kept / sum(rule.weight for rule in meant))


def read_rules(path: str | Path) -> tuple[Rule, ...]:
    """The rules of a YAML or JSON file: an object with the key `rules`, or the list itself."""
    held = files.read_yaml(path)  # JSON is YAML
    rows = held.get("rules") if isinstance(held, dict) else held
    if not isinstance(rows, list) or not rows:
        raise InputError("holds no rules", file=path, field="rules", expected="a list of rules")
    return tuple(_rule(row, path, f"rules[{number}]") for number, row in enumerate(rows, 1))


def _rule(row: Any, path: str | Path, place: str) -> Rule:
    def refuse(problem: str, key: str | None = None, expected: str | None = None) -> InputError:
        return InputError(problem, file=path, field=f"{place}.{key}" if key else place, expected=expected)

    if not isinstance(row, dict):
        raise refuse(f"holds {type(row).__name__}", expected="one rule, such as `max_words: 50`")
    kinds = [key for key in row if key in KINDS]
    for key in row:
        if key not in KINDS and key not in ("weight", "when"):
            raise refuse("unknown kind of rule", str(key), nearest(str(key), [*KINDS, "weight", "when"]))
    if len(kinds) != 1:
        raise refuse(f"holds {len(kinds)} kinds of rule", expected="exactly one; write one rule a list item")
    kind = key = kinds[0]
    check, build = KINDS[kind]
    try:
        value = check(row[kind])
        key = "when"
        when = _pattern(row["when"]) if "when" in row else None
    except ValueError as error:
        raise refuse(f"got {row[key]!r}", key, str(error)) from None
    weight = row.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < LARGEST:
        raise refuse(f"got {weight!r}", "weight", f"a number above 0, below {LARGEST:g}")
    return Rule(kind=kind, test=build(value), weight=Fraction(str(weight)), when=when)
