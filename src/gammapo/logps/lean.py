"""Keeping less for the backward pass: what norms and gated feed-forward parts make is made again there.

Of a decoder layer's kept activations about half are cheap functions of others: a norm's result (its input
is the residual stream, kept anyway) and, in the feed-forward part, the activation and the gated product.
While `lean_layers` is open these modules run through autograd functions of their own that keep inputs only;
and where a linear layer would keep such a result to form its weight gradient, a note of how to make it again
is kept in its place. Values are those of the modules' own code, checked per class before use (on a GPU up to
the rounding of a fused kernel).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from gammapo.logps.again import Again, Notes
from gammapo.logps.fused_norm import ahead_of_linear, fused_norm, is_fusible


@contextmanager
def lean_layers(model: nn.Module, core: nn.Module) -> Iterator[None]:
    """While open, norms and gated feed-forward parts of `core` keep their inputs only.

    Does nothing without gradients, under activation checkpointing (which keeps less still, and runs layers
    again when this is closed), in a compiled model, or where DeepSpeed partitions the weights.
    """
    if not torch.is_grad_enabled() or _unsafe(model, core):
        yield
        return
    notes, changed = Notes(), []
    for module, rounded in _parts_of(core):
        forward = _lean_forward(module, notes, rounded=rounded)
        if forward is not None:
            module.forward = forward  # pyright: ignore[reportAttributeAccessIssue]
            changed.append(module)
    try:
        with torch.autograd.graph.saved_tensors_hooks(notes.pack, notes.unpack):
            yield
    finally:
        for module in changed:
            del module.forward


def _unsafe(model: nn.Module, core: Any) -> bool:
    if torch.compiler.is_compiling() or hasattr(model, "_orig_mod"):
        return True
    if any(hasattr(parameter, "ds_id") for parameter in islice(core.parameters(), 1)):
        return True
    for module in core.modules():
        # the wrapper of PyTorch, which is what accelerate's own switch puts around layers, has no such flag
        if "_checkpoint_wrapped_module" in module._modules:
            return True
        if core.training and vars(module).get("gradient_checkpointing"):
            return True
    return False


_parts: WeakKeyDictionary[nn.Module, list[tuple[nn.Module, bool]]] = WeakKeyDictionary()


def _parts_of(core: nn.Module) -> list[tuple[nn.Module, bool]]:
    """The norms and feed-forward parts, and whether a norm's result may be rounded at once. Looked for once a
    model: adapters make it thousands of modules, and a walk through them costs what a GPU's layer does."""
    if core not in _parts:
        ahead = ahead_of_linear(core)
        found = [module for module in core.modules() if _is_gated(module) or _norm_kind(module)]
        _parts[core] = [(module, module in ahead) for module in found]
    return _parts[core]


def _lean_forward(
    module: nn.Module, notes: Notes, *, rounded: bool = False
) -> Callable[[Tensor], Tensor] | None:
    """A forward in place of the module's own, where it is known to be the same; None elsewhere."""
    if "forward" in vars(module):  # replaced already, by who knows what
        return None
    if _is_gated(module):
        return lambda x: _gated_forward(module, x, notes)
    kind = _norm_kind(module)
    if kind is not None:
        return lambda x: _norm_forward(module, x, kind, notes, rounded)
    return None


# ---- RMS norms: weight · x / rms(x) ----

_norm_kinds: dict[type, str | None] = {}


def _norm_kind(module: nn.Module) -> str | None:
    """ "llama" (weight · x̂, rounded before the product), "gemma" ((1 + weight) · x̂, rounded after), or None:
    found by comparing with the class's own forward."""
    if not type(module).__name__.endswith("RMSNorm") or list(module._parameters) != ["weight"]:
        return None
    if type(module) not in _norm_kinds:
        _norm_kinds[type(module)] = next((k for k in ("llama", "gemma") if _same_norm(module, k)), None)
    return _norm_kinds[type(module)]


def _same_norm(module: nn.Module, kind: str) -> bool:
    draw = torch.Generator().manual_seed(0)
    stub: Any = object.__new__(type(module))  # FSDP2's classes cannot be copied: their __new__ builds anew
    weight = nn.Parameter(torch.randn(32, generator=draw))
    stub.__dict__ = vars(module) | {"_parameters": {"weight": weight}}
    x = torch.randn(4, 32, generator=draw)
    with torch.no_grad():
        try:
            for dtype in (torch.float32, torch.bfloat16):
                expected = type(module).forward(stub, x.to(dtype))
                got = _norm(x.to(dtype), stub.weight, _eps(stub), kind)[0]
                near = torch.allclose(got.float(), expected.float(), rtol=1e-6, atol=1e-6)
                if expected.dtype != got.dtype or (dtype == torch.float32 and not near):
                    return False
                if not torch.allclose(got.float(), expected.float(), rtol=1e-2, atol=1e-2):
                    return False
        except (AttributeError, TypeError, RuntimeError):
            return False
    return True


def _eps(module: Any) -> float:
    eps = getattr(module, "variance_epsilon", None)
    return eps if eps is not None else module.eps


def _norm_forward(module: Any, x: Tensor, kind: str, notes: Notes, rounded: bool) -> Tensor:
    if x.dtype == torch.float64:  # the modules' own code rounds to float32
        return type(module).forward(module, x)
    again: list[Again] = []
    weight, eps = module.weight, _eps(module)
    if is_fusible(x, weight):
        out = fused_norm(x, weight, eps, shifted=kind == "gemma", rounded=rounded, note=again)
    else:
        out = _RMSNorm.apply(x, weight, eps, kind, again)
    if out.requires_grad:  # else the function kept nothing to make it from
        notes.add(out, again[0])
    return out


def _norm(x: Tensor, weight: Tensor, eps: float, kind: str) -> tuple[Tensor, Tensor]:
    """(result, 1/rms of each row)."""
    wide = x.float()
    rms = torch.linalg.vector_norm(wide, dim=-1, keepdim=True)
    inverse = rms.square_().div_(x.shape[-1]).add_(eps).rsqrt_()
    return _scaled(wide, inverse, weight, kind, x.dtype), inverse


def _scaled(wide: Tensor, inverse: Tensor, weight: Tensor, kind: str, dtype: torch.dtype) -> Tensor:
    if kind == "gemma":
        return (wide * inverse).mul_(weight.float() + 1).to(dtype)
    normed = (wide * inverse).to(dtype)
    return normed.mul_(weight) if weight.dtype == normed.dtype else weight * normed


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float, kind: str, note: list[Again]) -> Tensor:
        out, inverse = _norm(x, weight, eps, kind)
        ctx.save_for_backward(x, weight, inverse)
        ctx.kind, ctx.box = kind, {}
        note.append(Again(ctx, ctx.box, _RMSNorm.again))
        return out

    @staticmethod
    def again(ctx: Any) -> Tensor:
        x, weight, inverse = ctx.saved_tensors
        return _scaled(x.float(), inverse, weight, ctx.kind, x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        x, weight, inverse = ctx.saved_tensors
        ctx.box.clear()
        grad = grads[0].float()
        scale = weight.float() + 1 if ctx.kind == "gemma" else weight.float()
        normed = x.float() * inverse
        work = grad * normed
        d_weight = None
        if ctx.needs_input_grad[1]:
            d_weight = work.flatten(0, -2).sum(0).to(weight.dtype)
        along = (work @ scale).div_(x.shape[-1]).unsqueeze(-1)
        # dx = (scale·grad − x̂·mean(scale·grad·x̂)) / rms
        d_x = torch.mul(grad, scale, out=work).addcmul_(normed, along, value=-1).mul_(inverse)
        return d_x.to(x.dtype), d_weight, None, None, None


# ---- gated feed-forward parts: down(act(gate(x)) · up(x)) ----

PARTS = ("gate_proj", "up_proj", "down_proj")
_gated: dict[type, bool] = {}


def _is_gated(module: Any) -> bool:
    children = dict(module.named_children())
    if not set(PARTS) <= set(children) or set(children) - {*PARTS, "act_fn"} or not hasattr(module, "act_fn"):
        return False
    if type(module) not in _gated:
        _gated[type(module)] = _same_gated(module)
    return _gated[type(module)]


def _same_gated(module: Any) -> bool:
    """Whether the class's own forward, with stand-ins for its linear parts, is act(gate) · up and no more."""
    act = module.act_fn
    parts = {"gate_proj": lambda x: x * 1.5, "up_proj": lambda x: x + 0.5, "down_proj": lambda x: x * 2}
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            found = type(module).forward(SimpleNamespace(**parts, act_fn=act), x)
            return torch.equal(found, act(x * 1.5) * (x + 0.5) * 2)
    except (AttributeError, TypeError, RuntimeError):
        return False


def _gated_forward(module: Any, x: Tensor, notes: Notes) -> Tensor:
    again: list[Again] = []
    product = _GatedProduct.apply(module.gate_proj(x), module.up_proj(x), module.act_fn, again)
    if product.requires_grad:
        notes.add(product, again[0])
    return module.down_proj(product)


_silu: dict[type, bool] = {}


def _is_silu(act: Any) -> bool:
    """Whether an activation is SiLU, whose slope is one call. Told by values, as classes differ."""
    kind = type(act)
    if not isinstance(act, nn.Module) or any(True for _ in act.parameters()):
        return False
    if kind not in _silu:
        x = torch.linspace(-8, 8, 65)
        with torch.no_grad():
            _silu[kind] = torch.equal(act(x), nn.functional.silu(x))
    return _silu[kind]


class _GatedProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gate: Tensor, up: Tensor, act: Callable[[Tensor], Tensor], note: list[Again]
    ) -> Tensor:
        ctx.save_for_backward(gate, up)
        ctx.act, ctx.box = act, {}
        note.append(Again(ctx, ctx.box, _GatedProduct.again))
        return act(gate) * up

    @staticmethod
    def again(ctx: Any) -> Tensor:
        gate, up = ctx.saved_tensors
        ctx.box["activated"] = ctx.act(gate)  # the backward pass below needs it too, and comes next
        return ctx.box["activated"] * up

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        gate, up = ctx.saved_tensors
        (grad,) = grads
        activated = ctx.box.pop("activated", None)
        activated = ctx.act(gate) if activated is None else activated
        ctx.box.clear()
        if _is_silu(ctx.act) and grad.dtype == gate.dtype == up.dtype:
            d_gate = grad * up
            torch.ops.aten.silu_backward.grad_input(d_gate, gate, grad_input=d_gate)
            return d_gate, activated.mul_(grad), None, None
        d_up, d_activated = grad * activated, grad * up
        del activated
        with torch.enable_grad():
            inner = gate.detach().requires_grad_()
            (d_gate,) = torch.autograd.grad(ctx.act(inner), inner, d_activated)
        return d_gate, d_up, None, None
