"""Where the pairs of a packed row begin and end, as attention sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gammapo.logps.packing import Segment


class PairSegments:
    """The segments of one forward pass, and what its layers share: masks, boundaries on the device."""

    def __init__(self, segments: tuple[Segment, ...]):
        self.segments = segments
        self.query_sizes = [n for s in segments for n in (s.prompt + s.chosen, s.rejected)]
        self.key_sizes = [n for s in segments for n in (s.prompt, s.chosen, s.rejected)]
        self.longest = max(s.prompt + max(s.chosen, s.rejected) for s in segments)
        self._made: dict[Any, Any] = {}

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """What `make` gives, made by the first layer that asks and shared by the rest."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def mask(self, queries: int, keys: int, window: int | None, like: Tensor) -> Tensor:
        """Additive causal mask (queries, keys) for queries at the end of the keys, within `window` keys."""

        def make() -> Tensor:
            behind = torch.arange(keys - queries, keys, device=like.device)[:, None]
            behind = behind - torch.arange(keys, device=like.device)
            hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
            return torch.zeros_like(hidden, dtype=like.dtype).masked_fill(hidden, -torch.inf)

        return self.once((queries, keys, window, like.dtype, like.device), make)
