"""The least visible case: flips fall on the pairs of the smallest true gap, hardest first.

Unlike `ambiguous` there is no chance in it but for ties, which the seed breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gammapo.noise.spec import Candidate, Draw, NoiseKind, true_gaps
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    gaps = true_gaps(pairs, "hard_pair")
    ranked = sorted(zip(gaps, pairs, strict=True), key=lambda one: (one[0], draw(one[1].id)))
    for rank, (gap, pair) in enumerate(ranked):
        why = f"score gap {gap:.4g}, number {rank + 1} from the smallest"
        yield Candidate(order=rank, result=pair.flipped(), why=why)


SPEC = NoiseKind(
    name="hard_pair",
    summary="flips fall on the hardest pairs",
    candidates=candidates,
    needs_scores=True,
)
