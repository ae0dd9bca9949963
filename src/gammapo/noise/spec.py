"""What a noise kind is: it lists the pairs it could change, in the order in which it would change them.

The first `round(rate · n)` of that order are changed. The order does not depend on the rate, so the pairs
changed at 20 % are among those changed at 30 %; it depends on a pair's id and the seed, not on its place in
the file, so the same pair meets the same fate in any file that holds it.
"""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gammapo import registry
from gammapo.errors import InputError, nearest
from gammapo.types import PreferencePair


class Draw:
    """A uniform number in (0, 1) for each name: a hash of seed, noise kind and name, the same everywhere."""

    def __init__(self, seed: int, kind: str):
        self._key = f"{seed}\0{kind}\0"

    def __call__(self, name: str) -> float:
        digest = hashlib.blake2b((self._key + name).encode("utf-8"), digest_size=8).digest()
        return ((int.from_bytes(digest, "big") >> 11) + 0.5) / (1 << 53)

    def race(self, name: str, weight: float) -> float:
        """An exponential waiting time of rate `weight`. The smallest times of all are a weighted sample
        without replacement, whichever number of them is taken (Efraimidis and Spirakis 2006)."""
        return -math.log(self(name)) / max(weight, 1e-12)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One pair that could be changed. Lower `order` is changed sooner; `why` goes into the manifest."""

    order: float
    result: PreferencePair
    why: str


@dataclass(frozen=True, kw_only=True)
class NoiseKind:
    """One kind of noise.

    Attributes:
        name: as in the registry.
        summary: one line for help and docs.
        candidates: `(pairs, draw, **options) → candidates`, a pure function.
        change: what befalls a pair: "flip" (the labels change places) or another word.
        needs_scores: whether the true gap is read from the scores.
    """

    name: str
    summary: str
    candidates: Callable[..., Iterable[Candidate]]
    change: str = "flip"
    needs_scores: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Option → default."""
        parameters = list(inspect.signature(self.candidates).parameters.values())[2:]
        return {one.name: one.default for one in parameters if one.kind is not one.VAR_KEYWORD}


def names() -> list[str]:
    """All known noise kinds."""
    return registry.names("noise")


def get(name: str) -> NoiseKind:
    """The kind of that name, or a user's `module:attribute`: a NoiseKind or a bare candidates function.

    Raises:
        InputError: no such kind, or an object that is none.
    """
    found = registry.resolve("noise", name)
    if isinstance(found, NoiseKind):
        return found
    if inspect.isfunction(found):
        return NoiseKind(name=name, summary=(found.__doc__ or "").strip(), candidates=found, change="custom")
    raise InputError(
        f"{name!r} is {type(found).__name__}",
        field="noise",
        expected="a NoiseKind, or a function (pairs, draw, **options) that gives candidates",
    )


def check_options(kind: NoiseKind, options: dict[str, Any]) -> None:
    """Raise InputError for an option that the kind does not have."""
    known = kind.options
    for name in options:
        if name not in known:
            raise InputError(
                f"noise {kind.name!r} has no option {name!r}",
                field=name,
                expected=nearest(name, list(known)) if known else "no options",
            )


def true_gaps(pairs: Sequence[PreferencePair], kind: str) -> list[float]:
    """|score of chosen − score of rejected| of each pair, in the scores' own unit.

    Raises:
        InputError: naming the first pair without both scores.
    """
    gaps = []
    for pair in pairs:
        if pair.chosen_score is None or pair.rejected_score is None:
            raise InputError(
                f"noise {kind!r} needs the true gap of every pair, and pair {pair.id} "
                f"({pair.origin or 'no origin'}) has no scores",
                field="score_chosen, score_rejected",
                expected="two scores a pair",
                fix="add score columns, or take a kind that needs none (symmetric, length_biased, …)",
            )
        gaps.append(abs(pair.chosen_score - pair.rejected_score))
    return gaps


def positive(value: Any, field: str, *, below: float = math.inf) -> float:
    """`value` as a float in (0, below)."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < below:
        limit = "" if math.isinf(below) else f" and below {below:g}"
        raise InputError(f"is {value!r}", field=field, expected=f"a number above 0{limit}")
    return float(value)
