"""Outputs that win by other means than answering: constant, near-duplicate, judge-addressing, empty.

One constant string that closes the judge's quotes and fakes a new task "wins" 86.5 % of AlpacaEval
(Zheng et al., arXiv 2410.07137). A number resting on such outputs says nothing about a model, so these
detectors run on every file and their findings stand in its `warnings`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

WORDS = 8  # words of a shingle
CONSTANT, NEAR_DUPLICATE, SHARED_PASSAGE, EMPTY = 0.05, 0.10, 0.50, 0.05  # shares from which to warn
FEWEST = 10  # outputs below which a share says little

# Phrases of the judge's own prompt, or spoken to the judge. Each is rare in honest answers; where the
# instruction itself speaks so, the answer may.
ADDRESS = re.compile(
    r"<\|im_(?:start|end)\|>"
    r"|\bmodel_identifier\b"
    r"|unordered outputs"
    r"|^\s*#+\s*model outputs?\b"
    r"|\boutput_[12]\b\s*(?:is|:|\")"
    r"|\bignore (?:all |any )?(?:the |of the )?(?:above|previous|prior) (?:#+ ?)?"
    r"(?:instructions?|prompts?|model|outputs?|text|task)"
    r"|\bwhich (?:output|response|answer) is better\b"
    r"|\b(?:dear|attention|note to the|hello|hey),? (?:the )?(?:judge|evaluator|grader)s?\b"
    r"|\b(?:choose|select|prefer|pick|rank|rate) (?:this|my) (?:output|answer|response)\b"
    r"|\bthis (?:output|answer|response) (?:is|should be) (?:ranked|rated|judged|scored|preferred)\b"
    r"|\[\[[AB]\]\]",
    re.IGNORECASE | re.MULTILINE,
)

# Each phrase above holds one of these words; a plain search for them first is thirty times quicker
CUES = ("<|im_", "model_identifier", "unordered outputs", "model output", "output_1", "output_2")
CUES += ("ignore ", "is better", "judge", "evaluator", "grader", "[[a]]", "[[b]]")
CUES += ("this output", "this answer", "this response", "my output", "my answer", "my response")


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """One finding about a set of outputs: how many of them, and a sentence for a person."""

    kind: Literal["constant", "near-duplicate", "shared-passage", "addresses-judge", "empty"]
    count: int
    message: str


def suspicions(outputs: Sequence[str], instructions: Sequence[str]) -> tuple[Suspicion, ...]:
    """What looks like gaming among n outputs to n instructions; nothing for fewer than 10 outputs."""
    if len(outputs) < FEWEST:
        return ()
    filled = [text for text in outputs if text.strip()]
    found = [_empty(outputs, filled), _addressing(outputs, instructions)]
    constant = _constant(filled, len(outputs))
    # a constant output is its own near-duplicate, and is named once
    found.append(constant if constant else _near_duplicates(filled, len(outputs)))
    return tuple(suspicion for suspicion in found if suspicion is not None)


def _empty(outputs: Sequence[str], filled: Sequence[str]) -> Suspicion | None:
    count = len(outputs) - len(filled)
    if count < EMPTY * len(outputs):
        return None
    return Suspicion(kind="empty", count=count, message=f"{count} of {len(outputs)} outputs are empty")


def _addressing(outputs: Sequence[str], instructions: Sequence[str]) -> Suspicion | None:
    count, example = 0, ""
    for output, instruction in zip(outputs, instructions, strict=True):
        lowered = output.lower()
        match = ADDRESS.search(output) if any(cue in lowered for cue in CUES) else None
        if match and not ADDRESS.search(instruction):
            count += 1
            example = example or " ".join(match.group().split())
    if not count:
        return None
    message = f"{count} of {len(outputs)} outputs address the judge or imitate its prompt ({example!r})"
    return Suspicion(kind="addresses-judge", count=count, message=message)


def _constant(filled: Sequence[str], n: int) -> Suspicion | None:
    usual = Counter(" ".join(text.lower().split()) for text in filled).most_common(1)
    count = usual[0][1] if usual else 0
    if count < max(3, CONSTANT * n):
        return None
    message = f"one and the same output answers {count} of {n} instructions"
    return Suspicion(kind="constant", count=count, message=message)


def _near_duplicates(filled: Sequence[str], n: int) -> Suspicion | None:
    """Outputs whose runs of eight words mostly recur in others, or a passage that most outputs share."""
    owner, shingle = _shingles(filled)
    if len(owner) == 0:
        return None
    _, once = np.unique(shingle * 2_654_435_761 + owner, return_index=True)  # a run counts once per output
    owner, shingle = owner[once], shingle[once]
    _, place, spread = np.unique(shingle, return_inverse=True, return_counts=True)
    recurring = spread[place] >= max(3, 0.01 * n)
    per_output = np.bincount(owner, minlength=len(filled))
    shared = np.bincount(owner, recurring, minlength=len(filled))
    count = int((shared > 0.5 * np.maximum(per_output, 1)).sum())
    if count >= NEAR_DUPLICATE * n:
        message = f"{count} of {n} outputs are near-duplicates of others"
        return Suspicion(kind="near-duplicate", count=count, message=message)
    count = int(spread.max())
    if count >= SHARED_PASSAGE * n:
        message = f"{count} of {n} outputs share one passage of {WORDS} words or more"
        return Suspicion(kind="shared-passage", count=count, message=message)
    return None


def _shingles(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every run of eight words: the output it is in, and a hash of it (two (m,) arrays)."""
    vocabulary: dict[str, int] = {}
    owners, hashes = [], []
    powers = np.array([pow(1_000_003, k, 1 << 61) for k in range(WORDS)], dtype=np.int64)
    for place, text in enumerate(texts):
        words = [vocabulary.setdefault(word, len(vocabulary) + 1) for word in text.lower().split()]
        if len(words) < WORDS:
            continue
        runs = np.lib.stride_tricks.sliding_window_view(np.array(words, dtype=np.int64), WORDS)
        hashes.append(runs @ powers)  # wraps around on purpose
        owners.append(np.full(len(runs), place))
    if not hashes:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(owners), np.concatenate(hashes)
