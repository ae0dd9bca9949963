"""Rotary embeddings that change with the longest sequence read at once (longrope, dynamic NTK scaling).

Their frequencies are chosen by the largest position of a forward call: a short sequence gets other log-probs
beside a long one than alone. Here each sequence is rotated by its own length, so that log-probs do not depend
on what a pair is read with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gammapo.types import TokenizedPair

STRETCHING = {"dynamic", "longrope"}
# position ids → those of each sequence, and how many of them are asked for
Cut = Callable[[Tensor], list[tuple[Tensor, int]]]


def _text(core: Any) -> Any:
    config: Any = getattr(core, "config", None)
    return config.get_text_config() if hasattr(config, "get_text_config") else config


def stretches(core: nn.Module) -> dict[str, int]:
    """Kind of rotary embedding → tokens up to which it is the same for every sequence; empty if always."""
    config = _text(core)
    given = getattr(config, "rope_parameters", None) or {}
    limits: dict[str, int] = {}
    for kind in (given, *given.values()):  # one for all layers, or one for each kind of layer
        if isinstance(kind, dict) and kind.get("rope_type") in STRETCHING:
            limit: int = kind.get("original_max_position_embeddings") or config.max_position_embeddings
            limits[kind["rope_type"]] = min(limit, limits.get(kind["rope_type"], limit))
    return limits


def longest(pair: TokenizedPair) -> int:
    return len(pair.prompt) + max(len(pair.chosen), len(pair.rejected))


def concerns(core: nn.Module, pairs: Sequence[TokenizedPair]) -> bool:
    """Whether some of the pairs are long enough that others beside them would be read otherwise."""
    limits = stretches(core).values()
    return bool(limits) and max(longest(pair) for pair in pairs) >= min(limits)


def embeddings(core: nn.Module) -> list[nn.Module]:
    """The modules whose frequencies change, one for the whole model. None where they lie in its layers, which
    checkpointing would run again when this is forgotten, or where positions have several dimensions."""
    found = {name: one for name, one in core.named_modules() if STRETCHING & _kinds(one)}
    inside = any(part.isdigit() for name in found for part in name.split("."))
    several = "mrope_section" in _text(core).rope_parameters
    return [] if inside or several else [one for one in found.values() if "forward" not in vars(one)]


def _kinds(module: nn.Module) -> set[str]:
    kinds = getattr(module, "rope_type", None)
    return set(kinds.values()) if isinstance(kinds, dict) else {kinds} if isinstance(kinds, str) else set()


@contextmanager
def each_by_its_length(core: nn.Module, pairs: Sequence[TokenizedPair], cut: Cut, dim: int) -> Iterator[None]:
    """While open, rotary embeddings that stretch are made for each sequence apart and joined along `dim`."""
    changed = embeddings(core) if concerns(core, pairs) else []
    for module in changed:
        module.forward = _apart(module.forward, cut, dim)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _apart(forward: Callable[..., Any], cut: Cut, dim: int) -> Callable[..., Any]:
    def run(x: Tensor, position_ids: Tensor, *args: Any, **kwargs: Any) -> Any:
        made: list[list[Tensor]] = []
        for positions, own in cut(position_ids):
            # dynamic scaling remembers the longest sequence until it meets a short one
            forward(x, torch.zeros_like(positions[:, :1]), *args, **kwargs)
            found = forward(x, positions, *args, **kwargs)
            whole = found if isinstance(found, tuple) else (found,)
            made.append([part[:, :own] for part in whole])
        joined = [torch.cat(parts, dim=dim) for parts in zip(*made, strict=True)]
        return tuple(joined) if len(joined) > 1 else joined[0]

    return run


def of_packed(pairs: Sequence[TokenizedPair]) -> Cut:
    """Cuts the positions of a packed row (1, T). A sequence's last token, which is not read, is counted."""

    def cut(position_ids: Tensor) -> list[tuple[Tensor, int]]:
        sizes = [pair.tokens - 2 for pair in pairs]
        last = [position_ids.new_full((1, 1), longest(pair) - 1) for pair in pairs]
        parts = position_ids.split(sizes, dim=1)
        return [(torch.cat(both, 1), n) for both, n in zip(zip(parts, last, strict=True), sizes, strict=True)]

    return cut


def of_rows(lengths: Sequence[int]) -> Cut:
    """Cuts the positions of padded rows (1 or B, T); those of the padding are the last token's."""

    def cut(position_ids: Tensor) -> list[tuple[Tensor, int]]:
        rows = position_ids.expand(len(lengths), -1)
        return [(rows[i : i + 1].clamp(max=n - 1), rows.shape[1]) for i, n in enumerate(lengths)]

    return cut


# ---- pairs whose two answers are rotated differently: their prompt cannot be read once for both ----


def split(
    core: nn.Module, pairs: Sequence[TokenizedPair]
) -> tuple[list[TokenizedPair], list[int], list[int]]:
    """Pairs whose two answers are rotated alike, and the places among them of each given pair's chosen and
    rejected answer. A pair of unlike answers becomes two, with one token in the other answer's place."""
    limits = stretches(core) if concerns(core, pairs) and embeddings(core) else {}
    made: list[TokenizedPair] = []
    chosen, rejected = [], []
    for pair in pairs:
        chosen.append(len(made))
        if _rotation(limits, pair, pair.chosen) == _rotation(limits, pair, pair.rejected):
            made.append(pair)
        else:
            made.append(replace(pair, rejected=pair.rejected[:1]))
            made.append(replace(pair, chosen=pair.chosen[:1]))
        rejected.append(len(made) - 1)
    return made, chosen, rejected


def _rotation(limits: dict[str, int], pair: TokenizedPair, answer: Sequence[int]) -> list[int]:
    """What tells one rotation from another: dynamic scaling goes by the very length, longrope has two."""
    length = len(pair.prompt) + len(answer)
    return [length if kind == "dynamic" else 1 for kind, limit in limits.items() if length > limit]
