"""Log-probs of given tokens under a language-model head, without ever holding all logits at once.

The vocabulary is walked in tiles: a running log-sum-exp over tiles gives each position's log-prob, and in
the backward pass each tile's weight gradient is made by one matrix product, written once. Walking the
vocabulary rather than the positions keeps a tile in the cache and sums the weight gradient in one product,
so no chunked accumulation rounds it. Of a tile its softmax is kept: a tile's share of the whole mass turns
that into probabilities, so that the backward pass takes no second exponential.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from gammapo.logps.tied import HeadTable

TILE_BYTES = {"cpu": 12 << 20, "cuda": 256 << 20}  # a CPU's last-level cache; enough to fill a GPU
KEEP_BYTES = 1 << 30  # tiles are kept for the backward pass up to this size, recomputed beyond it


@dataclass(frozen=True, kw_only=True)
class HeadOptions:
    """How to walk the head.

    `tile`: vocabulary entries at a time (None: sized to the cache). `keep_bytes`: the largest size of all
    tiles together that is kept for the backward pass; above it they are computed again. `softcap`: the
    model's soft cap on logits, cap·tanh(logit/cap).
    """

    tile: int | None = None
    keep_bytes: int = KEEP_BYTES
    softcap: float | None = None


def token_logps(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    options: HeadOptions | None = None,
    table: HeadTable | None = None,
) -> Tensor:
    """Log-probs (nats) of `targets` (H,) given hidden states (H, d), head weight (V, d) and bias (V,).

    Returns (H,), float32 (float64 for float64 input), differentiable once in hidden, weight and bias. The
    backward pass shows the weight's gradient to `table`.
    """
    options = options or HeadOptions()
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    with torch.autocast(kind, enabled=False):
        return _TokenLogps.apply(hidden, weight, bias, targets, options, dtype, table)  # pyright: ignore


def _tile(options: HeadOptions, rows: int, vocabulary: int, kind: str) -> int:
    if options.tile is not None:
        return max(1, min(options.tile, vocabulary))
    fitting = TILE_BYTES.get(kind, TILE_BYTES["cuda"]) // (4 * rows)
    return min(vocabulary, max(512, fitting // 64 * 64))


def _logits(hidden: Tensor, weight: Tensor, bias: Tensor | None, cap: float | None) -> Tensor:
    """One tile of logits (H, v), in the accumulation dtype."""
    logits = _wide_product(hidden, weight.to(hidden.dtype).t())
    if bias is not None:
        logits += bias
    return logits if cap is None else logits.div_(cap).tanh_().mul_(cap)


def _wide_product(a: Tensor, b: Tensor) -> Tensor:
    """a·b in float32 or wider. A GPU's product hands out its sums before they are rounded."""
    wide = torch.promote_types(a.dtype, torch.float32)
    if a.is_cuda and a.dtype != wide and _hands_out_sums(a.device, a.dtype):
        return torch.mm(a, b, out_dtype=wide)
    return (a @ b).to(wide)


@lru_cache
def _hands_out_sums(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether products of this type can come out in float32; not every build and GPU can."""
    small = torch.zeros(16, 16, device=device, dtype=dtype)
    try:
        torch.mm(small, small, out_dtype=torch.float32)
    except (RuntimeError, TypeError):
        return False
    return True


def _softmax(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row: softmax, and the log-sum-exp, from the largest entry of both: log Σ = max − log p(max)."""
    shares = logits.softmax(-1)
    return shares, logits.amax(-1) - shares.amax(-1).log_()


class _TokenLogps(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        targets: Tensor,
        options: HeadOptions,
        dtype: torch.dtype,
        table: HeadTable | None,
    ) -> Tensor:
        rows, vocabulary = hidden.shape[0], weight.shape[0]
        tile = _tile(options, rows, vocabulary, hidden.device.type)
        inner = hidden.to(dtype)
        differentiable = any(ctx.needs_input_grad[:3])
        wide = torch.promote_types(dtype, torch.float32)
        keep = differentiable and rows * vocabulary * wide.itemsize <= options.keep_bytes
        total = torch.full((rows,), -torch.inf, dtype=wide, device=hidden.device)
        taken = torch.zeros_like(total)
        kept: list[Tensor] = []
        totals: list[Tensor] = []
        for low in range(0, vocabulary, tile):
            part = None if bias is None else bias[low : low + tile]
            logits = _logits(inner, weight[low : low + tile], part, options.softcap)
            shares, of_tile = _softmax(logits)
            totals.append(of_tile)
            total = torch.logaddexp(total, of_tile)
            here = (targets - low).clamp(0, logits.shape[1] - 1)
            inside = (targets >= low) & (targets < low + tile)
            taken += torch.where(inside, logits.gather(1, here[:, None])[:, 0], 0.0)
            if keep:
                kept.append(shares if options.softcap is None else logits)  # a cap's slope is told by logits
        ctx.save_for_backward(hidden, weight, bias, targets, total, torch.stack(totals), *kept)
        ctx.options, ctx.dtype, ctx.tile, ctx.table = options, dtype, tile, table
        return taken - total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        hidden, weight, bias, targets, total, totals, *kept = ctx.saved_tensors
        (grad,) = grads
        for_hidden, for_weight, for_bias = ctx.needs_input_grad[:3]
        inner, cap = hidden.to(ctx.dtype), ctx.options.softcap
        d_hidden = torch.zeros_like(hidden, dtype=total.dtype) if for_hidden else None
        d_weight = torch.empty_like(weight) if for_weight else None
        d_bias = torch.empty_like(bias) if for_bias else None
        room: Tensor | None = None
        for number, low in enumerate(range(0, weight.shape[0], ctx.tile)):
            high = low + ctx.tile
            part = None if bias is None else bias[low:high]
            tile = kept[number] if kept else _logits(inner, weight[low:high], part, cap)
            slope = None if cap is None else 1 - (tile / cap) ** 2
            if kept and cap is None:
                room = torch.empty_like(tile) if room is None else room  # one for all: it stays in the cache
                scaled = room.flatten()[: tile.numel()].view_as(tile)
                torch.mul(tile, (-grad * (totals[number] - total).exp_())[:, None], out=scaled)
            else:
                shifted = tile - total[:, None] if kept else tile.sub_(total[:, None])
                scaled = shifted.exp_().mul_(-grad[:, None])
            d_logits = _add_targets(scaled, targets - low, grad)
            if slope is not None:
                d_logits *= slope
            if d_bias is not None:
                d_bias[low:high] = d_logits.sum(0)
            d_logits = d_logits.to(ctx.dtype)
            if d_hidden is not None:
                if d_hidden.dtype == ctx.dtype:
                    d_hidden.addmm_(d_logits, weight[low:high].to(ctx.dtype))
                else:
                    d_hidden += _wide_product(d_logits, weight[low:high].to(ctx.dtype))
            if d_weight is not None:
                if d_weight.dtype == ctx.dtype:
                    torch.mm(d_logits.t(), inner, out=d_weight[low:high])
                else:
                    d_weight[low:high] = _wide_product(d_logits.t(), inner)
        d_hidden = None if d_hidden is None else d_hidden.to(hidden.dtype)
        if ctx.table is not None and d_weight is not None:
            ctx.table.keep(d_weight)
        return d_hidden, d_weight, d_bias, None, None, None, None


def _add_targets(scaled: Tensor, targets: Tensor, grad: Tensor) -> Tensor:
    """Gradient of Σ grad·(logit[target] − log-sum-exp) in one tile's logits (H, v): from −grad·p, the part of
    the sum, to grad·(1[target] − p)."""
    here = targets.clamp(0, scaled.shape[1] - 1)  # the targets in this tile get their grad, the others 0
    share = torch.where(targets == here, grad, 0.0).to(scaled.dtype)
    return scaled.scatter_add_(1, here[:, None], share[:, None])
