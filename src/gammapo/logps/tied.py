"""A tied embedding's own share of the gradient as rows, not as a second table of the vocabulary.

Where head and embedding are one weight, the head's gradient fills the whole table and is there first. The
embedding's concerns the rows of the tokens that were read, yet PyTorch spreads it over zeros of the table's
size and adds the two into a third. Here the rows are added to the head's table while autograd holds it, to
the same bits in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class HeadTable:
    """The weight's gradient by the head, while autograd waits for the embedding's in the same pass."""

    def __init__(self) -> None:
        self.wanted = False  # who keeps a gradient makes autograd copy it
        self._made: Tensor | None = None

    def keep(self, gradient: Tensor) -> None:
        if self.wanted:
            self._made = gradient

    def add(self, rows: Tensor, values: Tensor) -> bool:
        """Add values (n, d) to rows (n,); False if that would be lost, as when autograd has summed the
        gradients of several forward passes into a table of its own and holds this one no more."""
        table, self._made = self._made, None
        if table is None or table.dtype != values.dtype or _holders(table) < 2:
            return False
        table.index_add_(0, rows, values)
        return True


def _holders(tensor: Any) -> int:
    """How many hold this tensor, the caller's name for it counting once; 0 where PyTorch does not tell."""
    return tensor._use_count() if hasattr(tensor, "_use_count") else 0


@contextmanager
def embedding_by_rows(model: nn.Module, core: Any, scored: bool, table: HeadTable) -> Iterator[None]:
    """While open, a tied embedding's gradient is added to the rows of `table`, the head's, or is sparse where
    that table is not what autograd holds.

    Does nothing where no dense gradient of the same weight would take it up: the head is not tied, frozen or
    not `scored` by us; nor where the weight is not a plain one (sharded, or a compiled model), nor on a GPU,
    where finding the rows would make the host wait.
    """
    embedding = core.get_input_embeddings()
    if not scored or not _is_tied(embedding, core.get_output_embeddings()) or hasattr(model, "_orig_mod"):
        yield
        return
    table.wanted = True
    embedding.forward = lambda ids: _Rows.apply(ids, embedding.weight, embedding.padding_idx, table)
    try:
        yield
    finally:
        del embedding.forward


def _is_tied(embedding: Any, head: Any) -> bool:
    if type(embedding) is not nn.Embedding or "forward" in vars(embedding):
        return False
    weight = embedding.weight
    plain = type(weight) is nn.Parameter and weight.device.type == "cpu" and not hasattr(weight, "ds_id")
    usual = embedding.max_norm is None and not embedding.scale_grad_by_freq and not embedding.sparse
    wanted = torch.is_grad_enabled() and weight.requires_grad
    return plain and usual and wanted and weight is head.weight


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None, table: HeadTable) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.shape, ctx.padding, ctx.table = weight.shape, padding, table
        return nn.functional.embedding(ids, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (ids,) = ctx.saved_tensors
        rows, places = ids.flatten().unique(return_inverse=True)
        grad = grads[0].flatten(0, -2)
        wide = torch.promote_types(grad.dtype, torch.float32)
        # from zero and in the order of the tokens, as the dense gradient is summed
        summed = grad.new_zeros(len(rows), ctx.shape[1], dtype=wide).index_add_(0, places, grad.to(wide))
        if ctx.padding is not None:
            summed[rows == ctx.padding] = 0
        summed = summed.to(grad.dtype)
        if ctx.table.add(rows, summed):
            return None, None, None, None
        sparse = torch.sparse_coo_tensor(
            rows[None], summed, ctx.shape, is_coalesced=True, check_invariants=False
        )
        return None, sparse, None, None
