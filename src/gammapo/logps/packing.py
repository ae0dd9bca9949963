"""Laying out pairs in one row of tokens: prompt, chosen, rejected; the next pair; no padding anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.types import TokenizedPair


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One pair's place in the packed row: `prompt`, `chosen` and `rejected` tokens lie there in this order.

    An answer's last token is predicted but never read, so these counts are one less than the answers'
    lengths; a single-token answer has none.
    """

    prompt: int
    chosen: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class PackedPairs:
    """B pairs as one row of T tokens, of which H positions are scored.

    `ids` and `positions` are (1, T): positions restart with every pair, and the rejected answer's follow
    the prompt's as the chosen answer's do. `scored` (H,) are the positions whose next token is an answer's,
    `targets` (H,) those tokens: each pair's chosen answer, then its rejected one. A prompt's last position
    is scored twice, once for each answer's first token.
    """

    ids: Tensor
    positions: Tensor
    scored: Tensor
    targets: Tensor
    segments: tuple[Segment, ...]
    answer_lengths: tuple[int, ...]


def pack(pairs: Sequence[TokenizedPair], device: torch.device | str = "cpu") -> PackedPairs:
    """Pack B pairs. Every prompt and every answer must have at least one token."""
    ids: list[int] = []
    positions: list[int] = []
    scored: list[int] = []
    targets: list[int] = []
    segments: list[Segment] = []
    for pair in pairs:
        start, prompt = len(ids), len(pair.prompt)
        chosen, rejected = len(pair.chosen) - 1, len(pair.rejected) - 1
        ids += [*pair.prompt, *pair.chosen[:-1], *pair.rejected[:-1]]
        positions += [*range(prompt + chosen), *range(prompt, prompt + rejected)]
        last = start + prompt - 1
        scored += [
            *range(last, last + chosen + 1),
            last,
            *range(last + chosen + 1, last + chosen + rejected + 1),
        ]
        targets += [*pair.chosen, *pair.rejected]
        segments.append(Segment(prompt=prompt, chosen=chosen, rejected=rejected))
    return PackedPairs(
        ids=torch.tensor([ids], device=device),
        positions=torch.tensor([positions], device=device),
        scored=torch.tensor(scored, device=device),
        targets=torch.tensor(targets, device=device),
        segments=tuple(segments),
        answer_lengths=tuple(n for pair in pairs for n in (len(pair.chosen), len(pair.rejected))),
    )


def answer_sums(values: Tensor, packed: PackedPairs) -> tuple[Tensor, Tensor]:
    """Sums of per-token values (H,) over each answer: chosen (B,) and rejected (B,), float32 at least."""
    values = values.to(torch.promote_types(values.dtype, torch.float32))  # a wrapper may have cast them
    sums = torch.stack([part.sum() for part in values.split(packed.answer_lengths)])
    return sums[0::2], sums[1::2]
