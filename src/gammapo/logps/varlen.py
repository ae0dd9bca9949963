"""Pair attention by flash-attention's variable-length kernel, for CUDA.

Not run by this repository's own tests, which have no GPU: the boundaries it builds are checked on a CPU
(tests/logps/test_varlen.py), and `support.prepare` compares log-probs with the padded path on the model
and device at hand before this code is ever used for training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from gammapo.logps.segments import PairSegments


@lru_cache(maxsize=1)
def flash_attention() -> Callable[..., Tensor] | None:
    """flash_attn's variable-length function, or None where the package is absent."""
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return None
    return flash_attn_varlen_func


def boundaries(segments: PairSegments) -> tuple[list[int], list[int], list[int]]:
    """Cumulative query lengths, cumulative key lengths, and the key positions to gather.

    Two runs a pair: prompt and chosen over themselves, rejected over prompt and rejected. Empty runs
    (single-token rejected answers) are left out.
    """
    queries, keys, gather, start = [0], [0], [], 0
    for s in segments.segments:
        prompt, end = range(start, start + s.prompt), start + s.prompt + s.chosen
        queries.append(end)
        gather += range(start, end)
        keys.append(len(gather))
        if s.rejected:
            queries.append(end + s.rejected)
            gather += [*prompt, *range(end, end + s.rejected)]
            keys.append(len(gather))
        start = end + s.rejected
    return queries, keys, gather


@dataclass(frozen=True, kw_only=True)
class Runs:
    """`boundaries` as the kernel wants them, on the device."""

    queries: Tensor
    keys: Tensor
    gather: Tensor
    longest_query: int
    longest_key: int

    @classmethod
    def of(cls, segments: PairSegments, device: torch.device) -> Runs:
        queries, keys, gather = boundaries(segments)
        return cls(
            queries=torch.tensor(queries, device=device, dtype=torch.int32),
            keys=torch.tensor(keys, device=device, dtype=torch.int32),
            gather=torch.tensor(gather, device=device),
            longest_query=max(b - a for a, b in pairwise(queries)),
            longest_key=max(b - a for a, b in pairwise(keys)),
        )


def flash_pair_attention(
    flash: Callable[..., Tensor],
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: PairSegments,
    *,
    scaling: float,
    dropout: float,
    softcap: float | None,
    window: int | None,
) -> Tensor:
    """As `attention.split_attention`, in one kernel call. flash_attn aligns a causal mask to the lower right
    where keys outnumber queries, which is what the rejected answer needs."""
    run = segments.once(("runs", query.device), lambda: Runs.of(segments, query.device))
    options: dict[str, Any] = {} if softcap is None else {"softcap": softcap}
    if window is not None:
        options["window_size"] = (window - 1, 0)
    out = flash(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1)[run.gather],
        value[0].transpose(0, 1)[run.gather],
        cu_seqlens_q=run.queries,
        cu_seqlens_k=run.keys,
        max_seqlen_q=run.longest_query,
        max_seqlen_k=run.longest_key,
        dropout_p=dropout,
        softmax_scale=scaling,
        causal=True,
        **options,
    )
    return out.unsqueeze(0)
