"""Adapters as a recipe asks for them, and whether the model has what they would adapt."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gammapo import models
from gammapo.errors import InputError

if TYPE_CHECKING:
    from gammapo.training.recipe import LoraSection


def add_adapters(model: Any, lora: LoraSection, seed: int) -> Any:
    """The model with the section's adapters.

    Raises:
        InputError: `target_modules` names nothing in the model, or what cannot be adapted.
    """
    try:
        shared = _shared_maps(model)
        adapted = models.add_lora(
            model,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            target_modules=lora.target_modules,
            seed=seed,
        )
        if any(getattr(module, "base_layer", None) in shared for module in adapted.modules()):
            raise ValueError("embedding and head share one weight here, into which no adapter can be merged")
        return adapted
    except (ValueError, re.error) as error:
        raise InputError(
            f"cannot be adapted: {lora.target_modules!r} ({str(error).splitlines()[0]})",
            field="lora.target_modules",
            expected="a list of the model's linear maps as in [q_proj, v_proj], one pattern for their whole "
            "names, or all-linear",
            fix="name modules that the model has",
        ) from error


def _shared_maps(model: Any) -> tuple[Any, ...]:
    """Embedding and head where they share their weight: merging an adapter of one would change both."""
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    return (embedding, head) if head is not None and head.weight is embedding.weight else ()


def check_start(path: str) -> None:
    """Refuse new adapters on a model that is an adapter itself.

    It is merged for training, and what is saved are the new adapters alone, which name the base below it: the
    first adapter would be missing from all that is loaded later.
    """
    if models.is_adapter(models.resolve(path)):
        raise InputError(
            f"{path} is an adapter, and adapters trained on top of it would be saved without it",
            field="model.path",
            expected="a whole model, where the recipe has a lora section",
            fix="merge it first (gammapo export RUN --merge -o FOLDER), or leave lora out",
        )


def check_targets(path: str, lora: LoraSection) -> None:
    """Try the adapters on the model's shape, which needs its config and no weights.

    A config that is not on this machine checks nothing: reading the model will tell.

    Raises:
        InputError: see `add_adapters`.
    """
    if lora.target_modules == "all-linear":  # every model has some
        return
    import torch
    from transformers import AutoModelForCausalLM

    try:
        config = models.load_config(path, local_files_only=True)
        with torch.device("meta"):
            shape = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError):
        return
    with torch.random.fork_rng(devices=[]):  # adapters start at random; reading a recipe must not
        add_adapters(shape, lora, seed=0)
