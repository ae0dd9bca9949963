"""Activations that are made again in the backward pass in place of being kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import torch
from torch import Tensor


class Again:
    """How to make a function's result again in the backward pass: `make(context)`, from what the function
    saved. It is made once, for whoever asks first, and lies in `box` until that function runs backward.

    The context must not refer to this, or the two would keep each other alive.
    """

    def __init__(self, context: Any, box: dict[str, Tensor], make: Callable[[Any], Tensor]):
        self._context, self._box, self._make = context, box, make

    def get(self) -> Tensor:
        if "result" not in self._box:
            with torch.no_grad():
                self._box["result"] = self._make(self._context)
        return self._box["result"]


class Notes:
    """The results of this forward pass that can be made again, by where they lie in memory.

    An entry counts only while its tensor is alive, so that the place is that tensor's own, and unchanged.
    """

    def __init__(self) -> None:
        self._made: dict[int, tuple[Any, int, Again]] = {}

    def add(self, result: Tensor, again: Again) -> None:
        self._made[result.data_ptr()] = (ref(result), result._version, again)

    def pack(self, tensor: Tensor) -> Tensor | tuple[Again, torch.Size]:
        found = self._made.get(tensor.data_ptr())
        if found is not None and tensor.is_contiguous() and tensor.numel():
            made, version, again = found[0](), found[1], found[2]
            same = made is not None and made.numel() == tensor.numel() and made.dtype == tensor.dtype
            if made is not None and same and made._version == version:
                return again, tensor.shape
        return tensor.detach()

    @staticmethod
    def unpack(kept: Tensor | tuple[Again, torch.Size]) -> Tensor:
        return kept if isinstance(kept, Tensor) else kept[0].get().view(kept[1])
