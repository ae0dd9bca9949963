"""Answers cut off before their end, as a sampler's token limit leaves them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gammapo.errors import InputError
from gammapo.noise.spec import Candidate, Draw, NoiseKind, positive
from gammapo.types import PreferencePair

WORD = re.compile(r"\S+")


def candidates(
    pairs: Sequence[PreferencePair], draw: Draw, *, side: str = "chosen", keep: float = 0.5
) -> Iterator[Candidate]:
    """`side`: "chosen" or "rejected"; `keep`: the share of the answer's words that stays, at least one."""
    if side not in ("chosen", "rejected"):
        raise InputError(f"is {side!r}", field="side", expected="'chosen' or 'rejected'")
    keep = positive(keep, "keep", below=1)
    for pair in pairs:
        answer, other = (pair.chosen, pair.rejected)
        if side == "rejected":
            answer, other = other, answer
        words = list(WORD.finditer(answer))
        left = max(1, int(keep * len(words)))
        if left >= len(words) or (cut := answer[: words[left - 1].end()]) == other:
            continue
        yield Candidate(
            order=draw(pair.id),
            result=replace(pair, **{side: cut}),
            why=f"{side} cut after word {left} of {len(words)}",
        )


SPEC = NoiseKind(
    name="truncate", summary="answers are cut off before their end", candidates=candidates, change="truncate"
)
