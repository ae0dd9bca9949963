"""Pair attention for a CPU: plain matrix products over blocks of queries, nothing kept for the backward pass.

softmax(QKᵀ)V is written out, for a block of queries and the keys up to the block's end at a time: a block's
scores fit the cache, and of the causal square's upper half only the corners of the diagonal blocks are
computed in vain. The backward pass makes the scores again (as flash attention does, arXiv:2205.14135), so
queries, keys and values are all that is kept: no keys gathered or repeated per answer, no second copy of the
result. Query heads that share a key head are rows of one product. It is a little faster than the fused
kernel (`benchmarks/kernels.py`), and in bfloat16, which is computed in float32 here, clearly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.amp.autocast_mode import custom_bwd, custom_fwd
from torch.autograd.function import once_differentiable

from gammapo.logps.segments import PairSegments

BLOCK = 64  # queries of a head at a time


def blocked_attention(
    query: Tensor, key: Tensor, value: Tensor, segments: PairSegments, *, scaling: float
) -> Tensor:
    """As `attention.split_attention` without window, soft cap and dropout: query (1, heads, T, d), key and
    value (1, key heads, T, d); returns (1, T, heads, d) in the query's type."""
    with torch.autocast(query.device.type, enabled=False):
        return _BlockedAttention.apply(query, key, value, segments, scaling)  # pyright: ignore


def _wide(*tensors: Tensor) -> list[Tensor]:
    """In float32 at least; what is kept for the backward pass stays in the model's type."""
    return [x.to(torch.promote_types(x.dtype, torch.float32)) for x in tensors]


def _runs(segments: PairSegments) -> Iterator[tuple[int, int, list[tuple[int, int]]]]:
    """Two causal runs a pair: (start, end) of the queries, and the ranges that form their keys."""
    start = 0
    for s in segments.segments:
        middle, end = start + s.prompt + s.chosen, start + s.prompt + s.chosen + s.rejected
        yield start, middle, [(start, middle)]
        if s.rejected:
            yield middle, end, [(start, start + s.prompt), (middle, end)]
        start = end


def _rows(x: Tensor, ranges: list[tuple[int, int]]) -> Tensor:
    """(1, heads, T, d) → the rows of the ranges, (heads, m, d)."""
    if len(ranges) == 1:
        return x[0, :, slice(*ranges[0])].contiguous()
    return torch.cat([x[0, :, low:high] for low, high in ranges], dim=1)


def _blocks(queries: int, keys: int) -> Iterator[tuple[int, int, int]]:
    """(first query, last query + 1, keys that the last query sees) of each block."""
    for low in range(0, queries, BLOCK):
        high = min(low + BLOCK, queries)
        yield low, high, keys - queries + high


def _grouped(x: Tensor, key_heads: int, scaling: float | None = None) -> Tensor:
    """(heads, b, d) → (key heads, heads/key heads · b, d), scaled."""
    split = x.unflatten(0, (key_heads, -1))
    out = torch.empty(split.shape, dtype=x.dtype, device=x.device)
    out.copy_(split) if scaling is None else torch.mul(split, scaling, out=out)
    return out.flatten(1, 2)


def _weights(query: Tensor, key: Tensor, block: int, corner: Tensor) -> Tensor:
    """softmax of the block's scores: query (K, G·b, d), key (K, m, d) → (K, G·b, m)."""
    scores = torch.bmm(query, key.transpose(1, 2))
    heads, rows, keys = scores.shape
    scores.view(heads, rows // block, block, keys)[..., keys - block :].add_(corner[:block, :block])
    return scores.softmax(-1)


def _corner(like: Tensor) -> Tensor:
    """(BLOCK, BLOCK): −∞ above the diagonal."""
    return torch.full((BLOCK, BLOCK), -torch.inf, dtype=like.dtype, device=like.device).triu(1)


class _BlockedAttention(torch.autograd.Function):
    @staticmethod
    @custom_fwd(device_type="cpu")  # the backward pass, too, is then without autocast
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, segments: PairSegments, scaling: float
    ) -> Tensor:
        given, (query, key, value) = (query, key, value), _wide(query, key, value)
        _, heads, tokens, size = query.shape
        key_heads = key.shape[1]
        corner = segments.once(("corner", query.dtype, query.device), lambda: _corner(query))
        out = query.new_empty(tokens, key_heads, heads // key_heads, size)
        for start, end, ranges in _runs(segments):
            keys, values = _rows(key, ranges), _rows(value, ranges)
            for low, high, seen in _blocks(end - start, keys.shape[1]):
                q = _grouped(query[0, :, start + low : start + high], key_heads, scaling)
                weights = _weights(q, keys[:, :seen], high - low, corner)
                result = torch.bmm(weights, values[:, :seen])
                result = result.unflatten(1, (-1, high - low))  # (K, G, b, d)
                out[start + low : start + high].copy_(result.permute(2, 0, 1, 3))
        ctx.save_for_backward(*given)
        ctx.segments, ctx.scaling, ctx.corner = segments, scaling, corner
        return out.view(1, tokens, heads, size).to(given[0].dtype)

    @staticmethod
    @custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        kept = ctx.saved_tensors
        query, key, value, grad = _wide(*kept, *grads)
        _, heads, tokens, size = query.shape
        key_heads, scaling = key.shape[1], ctx.scaling
        by_head = grad[0].transpose(0, 1)  # (heads, T, d)
        # laid out as the projections before them have their results
        d_query = query.new_empty(tokens, key_heads, heads // key_heads, size)
        d_key, d_value = (query.new_zeros(tokens, key_heads, size) for _ in range(2))
        for start, end, ranges in _runs(ctx.segments):
            keys, values = _rows(key, ranges), _rows(value, ranges)
            to_keys, to_values = torch.zeros_like(keys), torch.zeros_like(values)
            for low, high, seen in _blocks(end - start, keys.shape[1]):
                q = _grouped(query[0, :, start + low : start + high], key_heads, scaling)
                g = _grouped(by_head[:, start + low : start + high], key_heads)
                weights = _weights(q, keys[:, :seen], high - low, ctx.corner)
                to_values[:, :seen].baddbmm_(weights.transpose(1, 2), g)
                d_weights = torch.bmm(g, values[:, :seen].transpose(1, 2))
                d_scores = torch._softmax_backward_data(d_weights, weights, -1, weights.dtype)
                to_keys[:, :seen].baddbmm_(d_scores.transpose(1, 2), q)
                result = torch.bmm(d_scores, keys[:, :seen]).unflatten(1, (-1, high - low))
                torch.mul(result.permute(2, 0, 1, 3), scaling, out=d_query[start + low : start + high])
            at = 0
            for first, last in ranges:
                width = last - first
                d_key[first:last] += to_keys[:, at : at + width].transpose(0, 1)
                d_value[first:last] += to_values[:, at : at + width].transpose(0, 1)
                at += width
        d_query = d_query.view(1, tokens, heads, size).transpose(1, 2)
        found = d_query, d_key.transpose(0, 1)[None], d_value.transpose(0, 1)[None]
        return *(x.to(given.dtype) for x, given in zip(found, kept, strict=True)), None, None
