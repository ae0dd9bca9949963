"""Exact and near ties are given a random label.

At rate r the 2·r·n pairs of the smallest true gap count as ties, and a random label is wrong for half of
them: of each two neighbours in the order of the gap, a coin picks the one that is flipped. So the number of
flips is exact, and flips at a lower rate are among those at a higher. The rate can be at most ½.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gammapo.noise.spec import Candidate, Draw, NoiseKind, true_gaps
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    gaps = true_gaps(pairs, "ties")
    ranked = sorted(zip(gaps, pairs, strict=True), key=lambda one: (one[0], draw(one[1].id)))
    for rank in range(0, len(ranked) - 1, 2):
        two = ranked[rank : rank + 2]
        gap, pair = two[draw("coin\0" + "\0".join(sorted(one.id for _, one in two))) < 0.5]
        kind = "an exact tie" if gap == 0 else f"a near tie (score gap {gap:.4g})"
        yield Candidate(order=rank, result=pair.flipped(), why=f"{kind}, given a random label")


SPEC = NoiseKind(
    name="ties",
    summary="exact and near ties are given a random label",
    candidates=candidates,
    needs_scores=True,
)
