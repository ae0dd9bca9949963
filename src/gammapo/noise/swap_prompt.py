"""Answers that belong to another question: a pair gets the prompt of another pair.

Who lends to whom is settled over the whole file by a hash, whatever the rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gammapo.noise.spec import Candidate, Draw, NoiseKind
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    ring = sorted(pairs, key=lambda pair: draw(pair.id))
    lenders = ring[1:] + ring[:1]
    for pair, lender in zip(ring, lenders, strict=True):
        if pair.prompt != lender.prompt:
            yield Candidate(
                order=draw(pair.id),
                result=replace(pair, prompt=lender.prompt),
                why=f"has the prompt of pair {lender.id}",
            )


SPEC = NoiseKind(
    name="swap_prompt",
    summary="a pair gets the prompt of another pair",
    candidates=candidates,
    change="swap_prompt",
)
