"""Stable names for pairs: a hash of their content that does not depend on which answer is labelled better."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence

from gammapo.types import Message, PreferencePair


def pair_id(prompt: Sequence[Message], chosen: str, rejected: str) -> str:
    """Sixteen hex digits of SHA-256 over the prompt and the unordered two answers.

    A flip of the label keeps the id, so a pair can be followed from its file into the noise manifest,
    the ledger and the audit.
    """
    turns = [[message.role, message.content] for message in prompt]
    content = json.dumps([turns, sorted((chosen, rejected))], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class RepeatNumbers:
    """Makes ids unique within one file: the second pair of an id gets "-2", the third "-3"."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def unique(self, name: str) -> str:
        number = self._seen.get(name, 0) + 1
        if number == 1:
            self._seen[name] = 1
            return name
        while f"{name}-{number}" in self._seen:
            number += 1
        self._seen[name] = number
        self._seen[f"{name}-{number}"] = 1
        return f"{name}-{number}"


def fingerprint(pairs: Iterable[PreferencePair]) -> str:
    """SHA-256 over ids, answers and scores, in order: equal ones tell of equal data and labels."""
    digest = hashlib.sha256()
    for pair in pairs:
        digest.update(fingerprint_bytes(pair))
    return digest.hexdigest()


def fingerprint_bytes(pair: PreferencePair) -> bytes:
    """What a fingerprint takes in of one pair. The id stands for the prompt; missing scores add nothing."""
    parts = [pair.id, pair.chosen, pair.rejected]
    if pair.chosen_score is not None or pair.rejected_score is not None:
        parts += [repr(pair.chosen_score), repr(pair.rejected_score)]
    return "".join(f"{part}\0" for part in parts).encode("utf-8", "surrogatepass")
