"""Witnesses from the texts alone: they cost no model, know no label, and get weight only where the labels of
the whole file bear them out.

- *on topic*: how much of what the prompt asks about the answer mentions: the share of the prompt's words that
  the answer uses, each word weighted by log(prompts / prompts that hold it), so that "butter" counts and
  "describe" does not. A plural s is cut off.
- *varied*: distinct words by words.
- *ended*: whether the last character closes a sentence.
- *punctuated*: the share of characters that are neither words nor spaces.

Each is the value of the chosen answer less that of the rejected one. Length is left out on purpose: it is
what labels are most often biased by, and a witness that shares their bias would speak for the wrong ones.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from gammapo.audit.witness import Witnesses
from gammapo.types import PreferencePair

NAMES = ("on topic", "varied", "ended", "punctuated")
WORD = re.compile(r"[^\W_]+")
MARK = re.compile(r"[^\w\s]")
CLOSING = tuple(".!?…\"'”’)]}`。！？")


def text_witnesses(pairs: Sequence[PreferencePair]) -> Witnesses:
    """The four witnesses of each pair; the prompt is its last turn."""
    asked = [frozenset(_words(pair.prompt[-1].content)) for pair in pairs]
    prompts = dict.fromkeys(zip((pair.prompt for pair in pairs), asked, strict=True))
    holds = Counter(word for _, words in prompts for word in words)
    weight = {word: math.log(len(prompts) / count) for word, count in holds.items()}
    values = [
        _traits(pair.chosen, words, weight) - _traits(pair.rejected, words, weight)
        for pair, words in zip(pairs, asked, strict=True)
    ]
    return Witnesses(ids=tuple(pair.id for pair in pairs), names=NAMES, values=np.array(values))


def _traits(answer: str, asked: frozenset[str], weight: Mapping[str, float]) -> np.ndarray:
    words = _words(answer)
    used, total = set(words), sum(weight[word] for word in asked)
    topic = sum(weight[word] for word in asked if word in used) / total if total > 0 else 0.0
    varied = len(used) / max(len(words), 1)
    ended = float(answer.rstrip().endswith(CLOSING))
    marks = len(MARK.findall(answer)) / max(len(answer), 1)
    return np.array([topic, varied, ended, marks])


def _words(text: str) -> list[str]:
    found = [word.casefold() for word in WORD.findall(text)]
    return [word[:-1] if len(word) > 3 and word.endswith("s") else word for word in found]
