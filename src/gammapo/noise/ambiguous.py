"""The smaller the true gap, the more likely the wrong label.

A pair's weight in the draw is σ(−slope · gap / median gap), which falls with the gap as the error
probability of a Bradley–Terry annotator does. It is a weight and no probability: the rate asked for is
reached exactly, and beyond what such an annotator would make of these gaps the closest pairs are turned
more often than not (at 20 % about half of the tenth of smallest gaps, at 40 % four of five).
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
