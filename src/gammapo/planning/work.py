"""Arithmetic of training on given pairs, and the time it takes at a stated share of a GPU's peak."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gammapo.planning.shape import ModelShape
from gammapo.types import TokenizedPair

PEAK = 989.0  # TFLOP/s, dense bfloat16, of an H100 SXM (its data sheet)
SHARE = 0.35  # of the peak: an assumption, not a measurement


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Token counts over a set of pairs, prompts counted once. `attended` counts (query, key) pairs."""

    pairs: int
    tokens: int
    scored: int
    attended: int


def lengths_of(pairs: Iterable[TokenizedPair]) -> Lengths:
    pairs_, tokens, scored, attended = 0, 0, 0, 0
    for pair in pairs:
        prompt, chosen, rejected = len(pair.prompt), len(pair.chosen), len(pair.rejected)
        pairs_ += 1
        tokens += prompt + chosen + rejected
        scored += chosen + rejected
        attended += triangle(prompt) + sum(n * prompt + triangle(n) for n in (chosen, rejected))
    return Lengths(pairs=pairs_, tokens=tokens, scored=scored, attended=attended)


def triangle(n: int) -> int:
    """Positions seen by n tokens that each see all before them and themselves."""
    return n * (n + 1) // 2


def training_flops(
    shape: ModelShape,
    lengths: Lengths,
    *,
    checkpointing: bool,
    couples: bool,
    adapters: bool,
    reference: bool,
) -> float:
    """Floating-point operations of one epoch over pairs of these lengths.

    One forward costs 2 a parameter that a token passes, 4·heads·head_dim a layer and attended pair, and 2·V·d
    a scored position. A step is a forward and two backward parts (one with frozen weights), one forward more
    with checkpointing, one more where the loss must see the whole step first, and one for a reference.
    """
    body = 2 * shape.active * lengths.tokens
    body += 4 * shape.heads * shape.head_dim * shape.layers * lengths.attended
    head = 2 * shape.vocabulary * shape.hidden * lengths.scored
    extra = int(couples) + int(reference)
    backward = 1 if adapters else 2
    passes = 1 + backward + int(checkpointing) + extra
    head_passes = 2 + backward + extra  # forward, recomputed tile
    return passes * body + head_passes * head


def hours(flops: float, gpus: int, peak_tflops: float = PEAK, share: float = SHARE) -> float:
    """Time at `share` of the peak of `gpus` GPUs."""
    return flops / (gpus * peak_tflops * 1e12 * share) / 3600
