"""Which types weights and arithmetic have, and the check that the optimiser got what was decided.

A step at a preference learning rate changes a weight by less than bfloat16 can tell (a 256th of it), so the
weights that are trained, their gradients' sums and AdamW's moments are float32 whatever type computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from gammapo.errors import InputError, RunError
from gammapo.training.recipe import Recipe

NO_SCALE = "needs a scaled loss, which is done here for adapters over model.dtype=float16 only"
# times the pairs of a step: gradients by log-probs are about 16 β then, in the middle of float16's range
SCALE = 16.0


@dataclass(frozen=True, kw_only=True)
class Precision:
    """`load`: type of the weights as loaded. `arguments`: what transformers is told. `masters`: type of the
    trained weights. `notice`: what the user must hear, or None. `scaled`: whether the loss is."""

    load: str
    arguments: Mapping[str, bool]
    masters: str
    notice: str | None
    scaled: bool = False


def decide(recipe: Recipe, *, gpu_has_bfloat16: bool, launched_in: str = "no") -> Precision:
    """The types of a run.

    Args:
        gpu_has_bfloat16: whether there is a GPU that computes in it.
        launched_in: the launcher's mixed_precision. Where it is bf16, sharded engines compute in it whatever
            the arguments say, and DeepSpeed refuses arguments that say otherwise.

    Raises:
        InputError: float16 for a whole model, whose gradients and moments it cannot hold; or two types of
            arithmetic asked for at once.
    """
    own = recipe.training.model_extra or {}
    _check_bf16(recipe, own.get("bf16"))
    found = _decided(recipe, own, gpu_has_bfloat16, launched_in == "bf16")
    if launched_in == "fp16" and not (own | dict(found.arguments)).get("bf16"):
        raise InputError(
            f"the launcher computes in float16, and that {NO_SCALE}",
            field="mixed_precision",
            expected="bf16 or no, in the configuration of accelerate launch",
            fix="change it there, or start with --mixed_precision no",
        )
    return found


def _check_bf16(recipe: Recipe, bf16: bool | None) -> None:
    """Refuse a training.bf16 that would have the run compute in another type than model.dtype names."""
    model = recipe.model
    half = model.dtype == "bfloat16" and recipe.lora is None and model.masters == "float32"
    if (bf16 and model.dtype == "float16") or (bf16 is False and half):
        raise InputError(
            f"is {str(bf16).lower()}, and model.dtype={model.dtype} names another type of the arithmetic",
            field="training.bf16",
            expected="one of them",
            fix="remove training.bf16, or set model.dtype=float32",
        )


def _decided(recipe: Recipe, own: Mapping[str, Any], gpu_has_bfloat16: bool, launched: bool) -> Precision:
    dtype = recipe.model.dtype
    if dtype == "float16" and recipe.lora is None:
        raise InputError(
            f"full fine-tuning in float16 {NO_SCALE}",
            field="model.dtype",
            expected="bfloat16 or float32",
            fix="change it, or train adapters (a lora section)",
        )
    if recipe.model.masters == "dtype" and dtype != "float32" and recipe.lora is None:
        notice = (
            f"pure {dtype} training, as model.masters=dtype asks: weights and AdamW's moments are {dtype}, "
            "and updates below a 256th of a weight are lost"
        )
        arguments = {"bf16": True} if launched and "bf16" not in own else {}
        return Precision(load=dtype, arguments=arguments, masters=dtype, notice=notice)
    notice = None
    if dtype == "float32" or recipe.lora is not None:
        # over 4 bits all that is not quantised is float32, and so would be the arithmetic without autocast
        narrow = dtype == "float32" or (recipe.lora is not None and recipe.lora.base == "4bit")
        wanted = {"bf16": launched or (narrow and gpu_has_bfloat16)}
        load = dtype
        if dtype == "float16":  # SmolLM2, 128 pairs a step: gradients are 0.7 % off, in bfloat16 6 %
            notice = "float16 under adapters: the loss is scaled, or small gradients would be lost"
    else:
        wanted, load = {"bf16": True}, "float32"
    arguments = {} if "bf16" in own else wanted
    scaled = dtype == "float16"
    return Precision(load=load, arguments=arguments, masters="float32", notice=notice, scaled=scaled)


def loss_scale(pairs: int) -> float:
    """What the loss over so many pairs is multiplied by before a backward pass in float16, whose least number
    is 6e-8. A power of two, which rounds nothing."""
    return SCALE * 2 ** math.ceil(math.log2(pairs))


def keep_sums_wide(state: Any) -> None:
    """Make sharding engines round neither log-probs nor sums of gradients to the type of the arithmetic.

    accelerate has FSDP2 cast the model's result, which here are log-probs, to that type, and sum gradients
    over ranks in it. It has 8 bits: a log-prob of -293.5 becomes -294. DeepSpeed sums over ranks and
    micro-batches in it unless its configuration says otherwise. To be called before the model is sharded.

    Args:
        state: accelerate's AcceleratorState.
    """
    fsdp, deepspeed = (getattr(state, name, None) for name in ("fsdp_plugin", "deepspeed_plugin"))
    if fsdp is not None and fsdp.fsdp_version == 2 and fsdp.mixed_precision_policy is not None:
        fsdp.mixed_precision_policy = replace(
            fsdp.mixed_precision_policy, output_dtype=None, reduce_dtype=torch.float32
        )
    if deepspeed is not None:
        config = deepspeed.hf_ds_config.config
        config.setdefault("communication_data_type", "fp32")
        config.setdefault("data_types", {}).setdefault("grad_accum_dtype", "fp32")


def check_masters(names: Mapping[int, str], optimizer: Any, masters: str) -> None:
    """Refuse to train if the optimiser holds weights, or floating-point state, of another type.

    Args:
        names: parameter names by id, to name the first culprit where it is known.
        optimizer: as the trainer holds it, after sharding.
        masters: the type decided.

    Raises:
        RunError: what was found and how to mend it.
    """
    expected = getattr(torch, masters)
    weights = _held(optimizer, masters)
    wrong = [weight for weight in weights if weight.dtype != expected]
    if wrong:
        name = names.get(id(wrong[0]), "a weight")
        raise RunError(
            f"the optimiser holds {len(wrong)} of {len(weights)} trained weights in other types than "
            f"{masters} (first: {name}, {_name(wrong[0].dtype)}); nothing was updated. Load the model in "
            "float32 and let bf16=true or the launcher's mixed_precision choose the arithmetic, or set "
            "model.masters=dtype to train in pure half precision"
        )
    kept = getattr(optimizer, "state", {})
    for weight in weights:
        for key, value in _moments(kept.get(weight, {})):
            if value.dtype != expected:
                name = names.get(id(weight), "a weight")
                raise RunError(
                    f"the optimiser keeps {key} of {name} in {_name(value.dtype)}, expected {masters}; take "
                    f"an optimiser that keeps its state in {masters} (training.optim)"
                )


def _held(optimizer: Any, masters: str) -> list[Tensor]:
    """The weights that the optimiser updates. ZeRO-3's groups are empty but for the moment of a step; the
    partitions that it updates lie beside them, in float32 whatever was asked for."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if weights or masters != "float32":
        return weights
    return list(getattr(getattr(optimizer, "optimizer", None), "fp32_partitioned_groups_flat", []))


def _moments(state: Mapping[str, Any]) -> Iterable[tuple[str, Tensor]]:
    for key, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and key.startswith("exp_avg"):
            yield key, value


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
