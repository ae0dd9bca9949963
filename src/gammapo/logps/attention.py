"""Attention over packed pairs, registered with transformers under its own names.

Each pair is two ordinary causal attentions: prompt and chosen over themselves; rejected over prompt and
rejected, gathered side by side. Nothing attends across pairs, nothing is padded, no T × T mask exists.
The segment boundaries travel as a keyword argument of the forward call, down to every layer, so that
activation checkpointing recomputes with the same boundaries and two models never share state.
Without that argument (in `generate`, say) the model's original attention runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention.bias import causal_lower_right

from gammapo.logps.blocked import blocked_attention
from gammapo.logps.segments import PairSegments
from gammapo.logps.varlen import can_attend, flash_attention, flash_pair_attention

PREFIX = "gammapo_pairs_over_"
ARGUMENT = "pair_segments"
DENSE = ("cpu",)  # devices whose fused SDPA takes a dense mask beside grouped heads
REFUSED = ("s_aux", "position_bias", "cache", "head_mask")
HARMLESS = ("position_ids", "cache_position")  # layers hand them on; attention reads neither
UNTOLD = -1  # the sliding window of a model that does not say one to its attention


class UnsupportedAttentionError(NotImplementedError):
    """The model's attention has a part (sinks, position bias, chosen keys) that pair attention lacks."""


def register(original: str) -> str:
    """Register pair attention that runs `original` where no segments are given. Returns its name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

    name = PREFIX + original

    def forward(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Any, **kwargs: Any
    ) -> tuple[Tensor, Any]:
        segments = kwargs.pop(ARGUMENT, None)
        if segments is None:
            run = _original(original, module)
            return run(module, query, key, value, attention_mask, **kwargs)
        return pair_attention(module, query, key, value, segments, **kwargs), None

    AttentionInterface.register(name, forward)
    AttentionMaskInterface.register(name, ALL_MASK_ATTENTION_FUNCTIONS[original])
    return name


def _original(name: str, module: nn.Module) -> Callable[..., Any]:
    from transformers import AttentionInterface

    if name != "eager":
        return AttentionInterface()[name]
    # each file of transformers has its own; a class derived from one of its layers may lie elsewhere
    for kind in type(module).__mro__:
        if found := getattr(sys.modules.get(kind.__module__), "eager_attention_forward", None):
            return found
    raise UnsupportedAttentionError("an eager form that is not found")


def pair_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    segments: PairSegments,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    sliding_window: int | None = UNTOLD,
    **kwargs: Any,
) -> Tensor:
    """Attention of a packed row. Query (1, heads, T, d), key and value (1, key heads, T, d); returns
    (1, T, heads, d), as transformers expects.

    Raises:
        UnsupportedAttentionError: the model passes sinks, a position bias, chosen keys, a cache or any other
            tensor, or has its sliding window in the mask alone. The probe cannot tell what shows only in
            sequences that are longer than its own.
    """
    for name, given in kwargs.items():
        known = name in REFUSED and given is not None
        if known or (isinstance(given, Tensor) and name not in HARMLESS):
            raise UnsupportedAttentionError(name)
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    options = {
        "scaling": scale,
        "dropout": dropout,
        "softcap": softcap,
        "window": _window(module, sliding_window),
    }
    even = value.shape[-1] == query.shape[-1]  # not so in latent attention (MLA, arXiv:2405.04434)
    if query.is_cuda:
        query, key, value = in_arithmetic_type(query, key, value)
        flash = flash_attention()
        if even and flash is not None and can_attend(flash, query, dropout=dropout, softcap=softcap):
            return flash_pair_attention(flash, query, key, value, segments, **options)
    if even and _blocks_suit(query, segments, **options):
        return blocked_attention(query, key, value, segments, scaling=scale)
    return split_attention(query, key, value, segments, **options)


def in_arithmetic_type(*tensors: Tensor) -> tuple[Tensor, ...]:
    """In autocast's type, if it is on: rotary embeddings leave queries and keys in the float32 of the
    residual stream, in which no flash attention runs."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    return tuple(x.to(torch.get_autocast_dtype(kind)) for x in tensors)


def _blocks_suit(
    query: Tensor,
    segments: PairSegments,
    *,
    dropout: float,
    softcap: float | None,
    window: int | None,
    **_: Any,
) -> bool:
    """Whether it is plain causal softmax on a CPU."""
    plain = not dropout and softcap is None and (window is None or window >= segments.longest)
    return plain and query.device.type == "cpu"


def _window(module: nn.Module, given: int | None) -> int | None:
    """The layer's sliding window: what it passes, else what its config says of this layer."""
    if given is not None and given != UNTOLD:
        return given
    config, layer = getattr(module, "config", None), getattr(module, "layer_idx", None)
    kinds, window = getattr(config, "layer_types", None), getattr(config, "sliding_window", None)
    if kinds is not None and layer is not None:
        return window if kinds[layer] == "sliding_attention" else None
    if given == UNTOLD and window:
        raise UnsupportedAttentionError("sliding_window, which its mask alone has")
    return None


def split_attention(
    query: Tensor, key: Tensor, value: Tensor, segments: PairSegments, *, window: int | None, **options: Any
) -> Tensor:
    """Pair attention, one pair after the other, by SDPA (or plainly where scores are soft-capped)."""
    queries = query.split(segments.query_sizes, dim=2)
    keys = key.split(segments.key_sizes, dim=2)
    values = value.split(segments.key_sizes, dim=2)
    out = []
    for i in range(len(segments.segments)):
        for side in (0, 1):
            q = queries[2 * i + side]
            if not q.shape[2]:
                continue
            k = torch.cat((keys[3 * i], keys[3 * i + 1 + side]), dim=2)
            v = torch.cat((values[3 * i], values[3 * i + 1 + side]), dim=2)
            out.append(_attend(q, k, v, segments, window, **options))
    return torch.cat(out, dim=2).transpose(1, 2).contiguous()  # some models view it, as SDPA's is


def _attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    segments: PairSegments,
    window: int | None,
    *,
    scaling: float,
    dropout: float,
    softcap: float | None,
) -> Tensor:
    """Causal attention of queries at the end of their keys."""
    n, m = q.shape[2], k.shape[2]
    window = window if window is not None and window < m else None
    if softcap is not None:
        return _soft_capped(q, k, v, segments.mask(n, m, window, q), scaling, dropout, softcap)
    grouped = q.shape[1] != k.shape[1]
    plain = n == m and window is None
    if plain:
        mask = None
    elif window is None and q.device.type not in DENSE:
        mask = causal_lower_right(n, m)  # no tensor: it picks a kernel that needs none
    else:
        mask = segments.mask(n, m, window, q)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=plain, dropout_p=dropout, scale=scaling, enable_gqa=grouped
    )


def _soft_capped(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor, scaling: float, dropout: float, cap: float
) -> Tensor:
    """softmax(cap·tanh(scaling·q·k/cap) + mask)·v, query heads grouped over key heads."""
    grouped = q.unflatten(1, (k.shape[1], -1))
    scores = grouped @ k.unsqueeze(2).transpose(-1, -2) * scaling
    scores = torch.tanh(scores / cap) * cap + mask
    wide = torch.promote_types(q.dtype, torch.float32)
    weights = F.dropout(scores.softmax(-1, dtype=wide).to(q.dtype), dropout)
    return (weights @ v.unsqueeze(2)).flatten(1, 2)
