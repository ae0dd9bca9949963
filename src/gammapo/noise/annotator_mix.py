"""Several annotators of unequal reliability, each of whom labelled some of the prompts.

A prompt belongs to one annotator (by hash), so errors come in clusters. Annotator k of K has the error
weight ratio^(k−1). With five annotators and ratio 2 the last errs sixteen times as often as the first
while errors are few; since the rate asked for is reached exactly, he runs out of labels to spoil: at 30 %
he errs in some two of three labels, ten times as often as the first, at 40 % in four of five.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gammapo.errors import InputError
from gammapo.noise.spec import Candidate, Draw, NoiseKind, positive
from gammapo.types import PreferencePair


def candidates(
    pairs: Sequence[PreferencePair], draw: Draw, *, annotators: int = 5, ratio: float = 2.0
) -> Iterator[Candidate]:
    """`annotators`: how many; `ratio`: error weight of each against the one before, no unit."""
    if isinstance(annotators, bool) or not isinstance(annotators, int) or annotators < 2:
        raise InputError(f"is {annotators!r}", field="annotators", expected="a whole number, at least 2")
    ratio = positive(ratio, "ratio")
    for pair in pairs:
        prompt = "\0".join(f"{message.role}\0{message.content}" for message in pair.prompt)
        number = int(draw(prompt) * annotators)
        yield Candidate(
            order=draw.race(pair.id, ratio**number),
            result=pair.flipped(),
            why=f"labelled by annotator {number + 1} of {annotators}",
        )


SPEC = NoiseKind(
    name="annotator_mix",
    summary="several annotators of unequal reliability, by prompt",
    candidates=candidates,
)
