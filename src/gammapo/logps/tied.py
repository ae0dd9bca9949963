"""A tied embedding's own share of the gradient as rows, not as a second table of the vocabulary.

Where head and embedding are one weight, the head's gradient fills the whole table and is there first. The
embedding's concerns the rows of the tokens that were read, yet PyTorch spreads it over zeros of the table's
size and adds the two. Given as rows it is added where it belongs, to the same bits in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


@contextmanager
def embedding_by_rows(model: nn.Module, core: Any, scored: bool) -> Iterator[None]:
    """While open, a tied embedding's gradient is sparse.

    Does nothing where no dense gradient of the same weight would take it up: the head is not tied, frozen or
    not `scored` by us; nor where the weight is not a plain one (sharded, or a compiled model), nor on a GPU,
    where finding the rows would make the host wait.
    """
    embedding = core.get_input_embeddings()
    if not scored or not _is_tied(embedding, core.get_output_embeddings()) or hasattr(model, "_orig_mod"):
        yield
        return
    embedding.forward = lambda ids: _Rows.apply(ids, embedding.weight, embedding.padding_idx)
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
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.table, ctx.padding = weight.shape, padding
        return nn.functional.embedding(ids, weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (ids,) = ctx.saved_tensors
        rows, places = ids.flatten().unique(return_inverse=True)
        grad = grads[0].flatten(0, -2)
        wide = torch.promote_types(grad.dtype, torch.float32)
        # from zero and in the order of the tokens, as the dense gradient is summed
        summed = grad.new_zeros(len(rows), ctx.table[1], dtype=wide).index_add_(0, places, grad.to(wide))
        if ctx.padding is not None:
            summed[rows == ctx.padding] = 0
        sparse = torch.sparse_coo_tensor(
            rows[None], summed.to(grad.dtype), ctx.table, is_coalesced=True, check_invariants=False
        )
        return None, sparse, None
