"""The worst case for a learner that trusts clear evidence: flips fall on the pairs of the largest true gap.

The order is the gap's, so the seed only breaks ties.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gammapo.noise.spec import Candidate, Draw, NoiseKind, true_gaps
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    gaps = true_gaps(pairs, "confident")
    ranked = sorted(zip(gaps, pairs, strict=True), key=lambda one: (-one[0], draw(one[1].id)))
    for rank, (gap, pair) in enumerate(ranked):
        why = f"score gap {gap:.4g}, number {rank + 1} from the largest"
        yield Candidate(order=rank, result=pair.flipped(), why=why)


SPEC = NoiseKind(
    name="confident",
    summary="flips fall on the clearest pairs",
    candidates=candidates,
    needs_scores=True,
)
