"""Low-rank adapters (LoRA, arXiv:2106.09685) on a loaded model, by PEFT."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammapo.models.whole import quiet

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def add_lora(
    model: PreTrainedModel,
    *,
    rank: int,
    alpha: float,
    seed: int,
    dropout: float = 0.0,
    target_modules: str | list[str] = "all-linear",
) -> Any:
    """The model with adapters that alone are trained; until then it computes what it did.

    Args:
        rank, alpha: of each adapter, whose product is scaled by alpha / rank.
        seed: adapters start at random, from this seed.
        target_modules: names of linear maps, or "all-linear" for all but the head.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=dropout,
        target_modules=target_modules,
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    with quiet():
        adapted = get_peft_model(model, config)
    base = config.base_model_name_or_path
    if base is not None and Path(base).is_dir():  # what is saved must be found from any working directory
        config.base_model_name_or_path = str(Path(base).absolute())
    return adapted
