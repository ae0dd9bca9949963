"""Every pair is as likely as any other to be labelled wrongly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gammapo.noise.spec import Candidate, Draw, NoiseKind
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    for pair in pairs:
        yield Candidate(order=draw(pair.id), result=pair.flipped(), why="by chance")


SPEC = NoiseKind(
    name="symmetric", summary="each pair is flipped with the same probability", candidates=candidates
)
