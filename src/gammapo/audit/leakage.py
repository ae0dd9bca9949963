"""Prompts of the training file that are also, wholly or nearly, in an evaluation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from math import ceil

from gammapo.audit.findings import Finding, Hit
from gammapo.audit.wording import same_text, words
from gammapo.types import Message, PreferencePair

SHINGLE = 6  # words in a run that is looked up
NEAR = 0.7  # share of an evaluation prompt's runs that one training prompt must hold


def leakage(
    pairs: Sequence[PreferencePair], held_out: Sequence[tuple[str, Sequence[Message]]] | None
) -> Finding:
    """Training pairs whose last user turn is an evaluation prompt's, exactly or nearly.

    Args:
        held_out: (name, prompt) of each evaluation prompt; None where no evaluation file was given.
    """
    finding = Finding(
        name="leakage",
        title="prompt in the evaluation data",
        meaning="What is trained on cannot measure: such prompts flatter the result.",
    )
    if held_out is None:
        return replace(finding, skipped="no evaluation file given (--eval)")
    index = _index(held_out)
    hits = []
    for pair in pairs:
        if detail := _found(same_text(pair.prompt[-1].content), index):
            hits.append(Hit(id=pair.id, origin=pair.origin, detail=detail, side="prompt"))
    return replace(finding, hits=tuple(hits))


@dataclass(frozen=True, kw_only=True)
class _Index:
    """Evaluation prompts to be looked up: text, and words, → name; hash of six words → numbers of prompts.

    `names` and `own` are a prompt's name and its runs, by its number. It is found by its rarest runs only: a
    text with 70 % of its runs has at least one of the rarest 30 %. So what all prompts of a set begin with
    ("Answer the following question …") makes no pair a candidate for every one of them.
    """

    texts: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    runs: dict[int, list[int]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    own: list[Set[int]] = field(default_factory=list)


def _index(held_out: Sequence[tuple[str, Sequence[Message]]]) -> _Index:
    index = _Index()
    for name, prompt in held_out:
        text = same_text(prompt[-1].content)
        found = words(text)
        index.texts.setdefault(text, name)
        index.words.setdefault(" ".join(found), name)
        index.names.append(name)
        index.own.append(frozenset(_runs(found)))
    held = Counter(run for own in index.own for run in own)
    for number, own in enumerate(index.own):
        rarest = sorted(own, key=lambda run: (held[run], run))
        for run in rarest[: len(own) - _needed(own) + 1]:
            index.runs.setdefault(run, []).append(number)
    return index


def _needed(own: Set[int]) -> int:
    """How many of a prompt's runs are NEAR of them."""
    return max(ceil(NEAR * len(own) - 1e-9), 1)


def _found(text: str, index: _Index) -> str:
    """Where a `same_text` is among the evaluation prompts, in words, or ""."""
    if name := index.texts.get(text):
        return f"the same as {name}"
    found = words(text)
    if found and (name := index.words.get(" ".join(found))):
        return f"the same as {name} but for punctuation"
    runs = set(_runs(found))
    candidates = {number for run in runs for number in index.runs.get(run, ())}
    shared = {number: len(runs & index.own[number]) for number in sorted(candidates)}
    best = max(shared, key=lambda number: shared[number] / len(index.own[number]), default=None)
    if best is None or shared[best] < _needed(index.own[best]):
        return ""
    return f"holds {100 * shared[best] / len(index.own[best]):.0f} % of {index.names[best]}"


def _runs(found: Sequence[str]) -> list[int]:
    return [hash(tuple(found[i : i + SHINGLE])) for i in range(len(found) - SHINGLE + 1)]
