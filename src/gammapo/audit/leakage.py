"""Prompts of the training file that are also, wholly or nearly, in an evaluation file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from gammapo.audit.findings import Finding, Hit
from gammapo.types import Message, PreferencePair

WORD = re.compile(r"\w+")
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
    exact, runs, sizes = _index(held_out)
    hits = []
    for pair in pairs:
        words = _words(pair.prompt)
        found = exact.get(" ".join(words))
        detail = f"the same as {found}" if found else ""
        if not detail and runs:
            near = Counter(name for run in set(_runs(words)) for name in runs.get(run, ()))
            best = max(near, key=lambda name: near[name] / sizes[name], default=None)
            if best is not None and near[best] / sizes[best] >= NEAR:
                share = 100 * near[best] / sizes[best]
                detail = f"holds {share:.0f} % of {held_out[best][0]}"
        if detail:
            hits.append(Hit(id=pair.id, origin=pair.origin, detail=detail, side="prompt"))
    return replace(finding, hits=tuple(hits))


def _index(
    held_out: Sequence[tuple[str, Sequence[Message]]],
) -> tuple[dict[str, str], dict[int, list[int]], list[int]]:
    exact: dict[str, str] = {}
    runs: dict[int, list[int]] = {}
    sizes = []
    for number, (name, prompt) in enumerate(held_out):
        words = _words(prompt)
        exact.setdefault(" ".join(words), name)
        own = set(_runs(words))
        sizes.append(max(len(own), 1))
        for run in own:
            runs.setdefault(run, []).append(number)
    return exact, runs, sizes


def _words(prompt: Sequence[Message]) -> list[str]:
    return WORD.findall(prompt[-1].content.casefold())


def _runs(words: Sequence[str]) -> list[int]:
    return [hash(tuple(words[i : i + SHINGLE])) for i in range(len(words) - SHINGLE + 1)]
