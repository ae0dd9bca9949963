"""An annotator who takes length for quality: where the worse answer is longer, it is labelled better.

Only such pairs can be changed. A pair's weight in the draw is log(longer / shorter) in characters, so that
the annotator errs most where the lengths differ most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from gammapo.noise.spec import Candidate, Draw, NoiseKind
from gammapo.types import PreferencePair


def candidates(pairs: Sequence[PreferencePair], draw: Draw) -> Iterator[Candidate]:
    for pair in pairs:
        longer, shorter = len(pair.rejected), len(pair.chosen)
        if longer > shorter:
            yield Candidate(
                order=draw.race(pair.id, math.log(longer / max(shorter, 1))),
                result=pair.flipped(),
                why=f"the worse answer is longer ({longer} against {shorter} characters)",
            )


SPEC = NoiseKind(name="length_biased", summary="the longer answer is labelled better", candidates=candidates)
