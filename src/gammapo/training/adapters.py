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
        return models.add_lora(
            model,
            rank=lora.rank,
            alpha=lora.alpha,
            dropout=lora.dropout,
            target_modules=lora.target_modules,
            seed=seed,
        )
    except (ValueError, re.error) as error:
        raise InputError(
            f"cannot be adapted: {lora.target_modules!r} ({str(error).splitlines()[0]})",
            field="lora.target_modules",
            expected="a list of the model's linear maps as in [q_proj, v_proj], one pattern for their whole "
            "names, or all-linear",
            fix="name modules that the model has",
        ) from error


def check_targets(path: str, lora: LoraSection) -> None:
    """Try the adapters on the model's shape, which needs its config and no weights.

    A config that is not on this machine checks nothing: reading the model will tell.

    Raises:
        InputError: see `add_adapters`.
    """
    if lora.target_modules == "all-linear":  # every model has some
        return
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(models.resolve(path), local_files_only=True)
        with torch.device("meta"):
            shape = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError):
        return
    with torch.random.fork_rng(devices=[]):  # adapters start at random; reading a recipe must not
        add_adapters(shape, lora, seed=0)
