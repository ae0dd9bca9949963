"""RMS norms on a GPU: PyTorch's fused kernel, its result rounded at once to what the next layers compute in.

Under autocast the residual stream is float32, and so would be a norm's result; each linear layer behind it
would then make, and keep, a rounded copy of its own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gammapo.logps.again import Again

BLOCK = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
AHEAD_OF_LINEAR = ("input_layernorm", "post_attention_layernorm")


def ahead_of_linear(core: nn.Module) -> set[nn.Module]:
    """The norms whose result nothing but linear layers reads: those of blocks built as Llama's are."""
    blocks = [module for module in core.modules() if {name for name, _ in module.named_children()} == BLOCK]
    return {getattr(block, name) for block in blocks for name in AHEAD_OF_LINEAR}


def is_fusible(x: Tensor, weight: Tensor) -> bool:
    plain = x.is_cuda and x.dtype == weight.dtype and not hasattr(weight, "placements")
    return plain and hasattr(torch.ops.aten, "_fused_rms_norm_backward")


def fused_norm(
    x: Tensor, weight: Tensor, eps: float, *, shifted: bool, rounded: bool, note: list[Again]
) -> Tensor:
    """weight · x / rms(x), or (1 + weight) · x / rms(x) where `shifted`; in autocast's type where `rounded`.

    `note` gets how to make the result again.
    """
    dtype = x.dtype
    if rounded and dtype == torch.float32 and torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
    return _FusedNorm.apply(x, weight, eps, shifted, dtype, note)  # pyright: ignore[reportReturnType]


def _scale(weight: Tensor, shifted: bool) -> Tensor:
    return weight.float() + 1 if shifted else weight


def _kernel(x: Tensor, scale: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(result, 1/rms of each row); sums are float32 whatever the type."""
    return torch.ops.aten._fused_rms_norm(x.to(scale.dtype), [x.shape[-1]], scale, eps)


class _FusedNorm(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, eps: float, shifted: bool, dtype: torch.dtype, note: list[Again]
    ) -> Tensor:
        out, inverse = _kernel(x, _scale(weight, shifted), eps)
        ctx.save_for_backward(x, weight, inverse)
        ctx.eps, ctx.shifted, ctx.dtype, ctx.box = eps, shifted, dtype, {}
        note.append(Again(ctx, ctx.box, _FusedNorm.again))
        return out.to(dtype)

    @staticmethod
    def again(ctx: Any) -> Tensor:
        x, weight, _ = ctx.saved_tensors
        return _kernel(x, _scale(weight, ctx.shifted), ctx.eps)[0].to(ctx.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, inverse = ctx.saved_tensors
        ctx.box.clear()
        scale = _scale(weight, ctx.shifted)
        grad, wide = grads[0].to(scale.dtype).contiguous(), x.to(scale.dtype)
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1]]
        d_x, d_weight = torch.ops.aten._fused_rms_norm_backward(
            grad, wide, [x.shape[-1]], inverse, scale, wanted
        )
        d_x = d_x.to(x.dtype) if wanted[0] else None
        return d_x, d_weight.to(weight.dtype) if wanted[1] else None, None, None, None, None
