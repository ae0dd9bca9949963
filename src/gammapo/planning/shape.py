"""A model's shape from its config alone: no weights are read, and none are allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gammapo import models
from gammapo.errors import InputError


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """What memory and work depend on. `parameters` counts tied weights once.

    Of a mixture of experts a token passes some: `active` and `intermediate` are what it passes.
    """

    name: str
    parameters: int
    body: int  # parameters of the layers: all but embeddings and head
    active: int  # of those, that a token is multiplied by
    linear_width: int  # inputs + outputs of all linear maps in layers; adapters have rank × this
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int


def load_shape(path: str) -> ModelShape:
    """The shape of a model folder, a hub id or "smollm2".

    Raises:
        InputError: no config there, or one of no causal language model with attention.
    """
    return shape_of(models.load_config(path), name=path)


def shape_of(config: Any, *, name: str = "") -> ModelShape:
    """The shape of a config, by building the model on the meta device."""
    import torch
    from transformers import AutoModelForCausalLM

    text = config.get_text_config()
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except ValueError as error:
        raise InputError(
            f"{type(config).__name__} is of no causal language model",
            file=name or None,
            field="model.path",
            expected="a decoder such as Llama, Qwen2, Mistral or Gemma",
        ) from error
    total = sum(weight.numel() for weight in model.parameters())
    outside = {id(model.get_input_embeddings().weight): model.get_input_embeddings().weight}
    head = model.get_output_embeddings()
    if head is not None:
        outside[id(head.weight)] = head.weight
    linears = [
        module for module in model.modules() if isinstance(module, torch.nn.Linear) and module is not head
    ]
    heads = getattr(text, "num_attention_heads", None)
    if not heads:
        raise InputError(
            f"{type(config).__name__} states no attention heads, and memory and time are reckoned from them",
            file=name or None,
            field="num_attention_heads",
            expected="a decoder such as Llama, Qwen2, Mistral or Gemma",
            fix="train without a dry run, which needs none of this",
        )
    body = total - sum(weight.numel() for weight in outside.values())
    passed, of = _experts(text)
    # transformers keeps all experts' maps of a layer in one tensor (experts, outputs, inputs)
    routed = sum(one.numel() for one in model.parameters() if of > 1 and one.ndim == 3 and len(one) == of)
    return ModelShape(
        name=name or type(config).__name__,
        parameters=total,
        body=body,
        active=body - routed + routed * passed // of,
        linear_width=sum(module.in_features + module.out_features for module in linears),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=_intermediate(text, passed),
        heads=heads,
        kv_heads=getattr(text, "num_key_value_heads", None) or heads,
        head_dim=getattr(text, "head_dim", None) or text.hidden_size // heads,
        vocabulary=text.vocab_size,
    )


def _experts(text: Any) -> tuple[int, int]:
    """How many experts a token passes, and of how many; (1, 1) for a dense model."""
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    of = next((getattr(text, name) for name in names if getattr(text, name, None)), 1)
    return (getattr(text, "num_experts_per_tok", None) or of), of


def _intermediate(text: Any, passed: int) -> int:
    """The width of the feed-forward part, under whichever of its names; 4 × hidden is GPT-2's unsaid rule."""
    expert = getattr(text, "moe_intermediate_size", None)
    names = ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner")
    dense = next((getattr(text, name) for name in names if getattr(text, name, None)), 4 * text.hidden_size)
    return passed * (expert or dense)
