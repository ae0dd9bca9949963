"""Reaching the transformers model inside its wrappers (DDP, torch.compile, PEFT)."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn


def causal_lm(model: nn.Module) -> Any:
    """The transformers model at the core. Only to ask it questions: calls go through the outermost module,
    so that every wrapper's hooks fire."""
    while True:
        if hasattr(model, "get_base_model"):  # PEFT
            model = model.get_base_model()  # pyright: ignore[reportCallIssue]
        else:  # DDP and DeepSpeed keep it under `module`, torch.compile under `_orig_mod`
            inner = getattr(model, "module", getattr(model, "_orig_mod", None))
            if not isinstance(inner, nn.Module):
                return model
            model = inner


def accepts(model: nn.Module, argument: str) -> bool:
    """Whether the core model's forward names `argument`."""
    return argument in inspect.signature(type(causal_lm(model)).forward).parameters


def without_router_loss(model: nn.Module) -> dict[str, bool]:
    """What keeps a mixture of experts from computing its routers' load-balancing loss, whatever its config
    says; nobody reads it here."""
    return {"output_router_logits": False} if accepts(model, "output_router_logits") else {}
