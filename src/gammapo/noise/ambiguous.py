"""A careful but fallible annotator: the smaller the true gap, the more likely the wrong label.

A pair's weight in the draw is σ(−slope · gap / median gap), the error probability of a Bradley–Terry
annotator: ½ at a tie, falling with the gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median

from gammapo.noise.spec import Candidate, Draw, NoiseKind, positive, true_gaps
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw, *, slope: float = 2.0) -> Iterator[Candidate]:
    """`slope` has no unit: at the median gap the weight is σ(−slope)."""
    slope = positive(slope, "slope")
    gaps = true_gaps(pairs, "ambiguous")
    unit = (median(gaps) or max(gaps) or 1.0) if gaps else 1.0
    for pair, gap in zip(pairs, gaps, strict=True):
        weight = 1 / (1 + math.exp(min(slope * gap / unit, 700)))
        yield Candidate(
            order=draw.race(pair.id, weight),
            result=pair.flipped(),
            why=f"score gap {gap:.4g}, error weight {weight:.3g}",
        )


SPEC = NoiseKind(
    name="ambiguous",
    summary="the smaller the true gap, the likelier the flip",
    candidates=candidates,
    needs_scores=True,
)
