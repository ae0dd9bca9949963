"""Pair attention by flash attention's variable-length kernel, for CUDA.

The kernel is that of the package flash-attn where it is installed, else PyTorch's own copy. The boundaries
are checked on a CPU (tests/logps/test_varlen.py), the kernels on a GPU (tests/gpu), and `support.prepare`
compares log-probs with the padded path on the model and device at hand before this is used for training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gammapo.logps.segments import PairSegments

LARGEST_HEAD = 256  # of flash attention's kernels
OLDEST_GPU = 8  # Ampere; older ones have no such kernel


@lru_cache(maxsize=1)
def flash_attention() -> Callable[..., Tensor] | None:
    """A function of flash_attn_varlen_func's contract, or None where there is none."""
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return torchs_own()
    return flash_attn_varlen_func


def torchs_own() -> Callable[..., Tensor] | None:
    """PyTorch's `varlen_attn` under flash_attn's contract, or None in a PyTorch where it takes no scale."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    known = inspect.signature(varlen_attn).parameters
    if not {"scale", "window_size"} <= set(known):
        return None
    # grouped heads were always allowed before they had a name
    grouped: dict[str, Any] = {"enable_gqa": True} if "enable_gqa" in known else {}

    def attend(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        *,
        cu_seqlens_q: Tensor,
        cu_seqlens_k: Tensor,
        max_seqlen_q: int,
        max_seqlen_k: int,
        softmax_scale: float,
        window_size: tuple[int, int] = (-1, 0),
        **_: Any,
    ) -> Tensor:
        return varlen_attn(
            query,
            key,
            value,
            cu_seqlens_q,
            cu_seqlens_k,
            max_seqlen_q,
            max_seqlen_k,
            scale=softmax_scale,
            window_size=window_size,
            **grouped,
        )  # pyright: ignore[reportReturnType]

    attend.plain = True  # pyright: ignore[reportFunctionMemberAccess]
    return attend


def can_attend(flash: Callable[..., Tensor], query: Tensor, *, dropout: float, softcap: float | None) -> bool:
    """Whether the kernel knows such attention. PyTorch's has neither dropout nor a soft cap."""
    if not query.is_cuda or query.dtype.itemsize != 2 or query.shape[-1] > LARGEST_HEAD:
        return False
    if _generation(query.device) < OLDEST_GPU:
        return False
    return not (getattr(flash, "plain", False) and (dropout or softcap is not None))


@lru_cache
def _generation(device: torch.device) -> int:
    return torch.cuda.get_device_capability(device)[0]


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


def read_twice(gather: list[int]) -> tuple[list[int], list[int], list[int]]:
    """Of gathered positions: where each one lies first, which ones lie there again, and where."""
    first: dict[int, int] = {}
    again: dict[int, int] = {}
    for place, position in enumerate(gather):
        (again if position in first else first)[position] = place
    return [first[position] for position in range(len(first))], [*again], [*again.values()]


@dataclass(frozen=True, kw_only=True)
class Runs:
    """`boundaries` as the kernel wants them, on the device."""

    queries: Tensor
    keys: Tensor
    gather: Tensor
    first: Tensor
    twice: Tensor
    again: Tensor
    longest_query: int
    longest_key: int

    @classmethod
    def of(cls, segments: PairSegments, device: torch.device) -> Runs:
        queries, keys, gather = boundaries(segments)
        first, twice, again = read_twice(gather)
        return cls(
            queries=torch.tensor(queries, device=device, dtype=torch.int32),
            keys=torch.tensor(keys, device=device, dtype=torch.int32),
            gather=torch.tensor(gather, device=device),
            first=torch.tensor(first, device=device),
            twice=torch.tensor(twice, device=device, dtype=torch.int64),
            again=torch.tensor(again, device=device, dtype=torch.int64),
            longest_query=max(b - a for a, b in pairwise(queries)),
            longest_key=max(b - a for a, b in pairwise(keys)),
        )


class _Gather(torch.autograd.Function):
    """Keys or values (T, heads, d) as the runs read them. Autograd's own backward of indexing would sort the
    positions anew in every layer; here at most two gradients meet, and where is known."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, run: Runs) -> Tensor:
        ctx.run = run
        return x[run.gather]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        run, (grad,) = ctx.run, grads
        return grad[run.first].index_add_(0, run.twice, grad[run.again]), None


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
        _Gather.apply(key[0].transpose(0, 1), run),
        _Gather.apply(value[0].transpose(0, 1), run),
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
