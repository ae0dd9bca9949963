"""Which types weights and arithmetic have, and the check that the optimiser got what was decided.

A step at a preference learning rate changes a weight by less than bfloat16 can tell (a 256th of it), so the
weights that are trained, their gradients' sums and AdamW's moments are float32 whatever type computes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from gammapo.errors import InputError, RunError
from gammapo.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Precision:
    """`load`: type of the weights as loaded. `arguments`: what transformers is told. `masters`: type of the
    trained weights. `notice`: what the user must hear, or None."""

    load: str
    arguments: Mapping[str, bool]
    masters: str
    notice: str | None


def decide(recipe: Recipe, *, gpu_has_bfloat16: bool) -> Precision:
    """The types of a run.

    Raises:
        InputError: float16 arithmetic over float32 weights, which needs a scaled loss.
    """
    dtype, own = recipe.model.dtype, recipe.training.model_extra or {}
    if recipe.model.masters == "dtype" and dtype != "float32" and recipe.lora is None:
        notice = (
            f"pure {dtype} training, as model.masters=dtype asks: weights and AdamW's moments are {dtype}, "
            "and updates below a 256th of a weight are lost"
        )
        return Precision(load=dtype, arguments={}, masters=dtype, notice=notice)
    if dtype == "float32" or recipe.lora is not None:
        wanted = {"bf16": dtype == "float32" and gpu_has_bfloat16}
        load = dtype
    else:
        if dtype == "float16":
            raise InputError(
                "full fine-tuning in float16 arithmetic needs a scaled loss, which is not done here",
                field="model.dtype",
                expected="bfloat16 or float32",
                fix="change it, or set model.masters=dtype for pure float16 at your own risk",
            )
        wanted, load = {"bf16": True}, "float32"
    return Precision(load=load, arguments={} if "bf16" in own else wanted, masters="float32", notice=None)


def check_masters(names: Mapping[int, str], optimizer: Any, masters: str) -> None:
    """Refuse to train if the optimiser holds weights, or floating-point state, of another type.

    Args:
        names: parameter names by id, to name the first culprit where it is known.
        optimizer: as the trainer holds it, after sharding; DeepSpeed's shows its float32 partitions.
        masters: the type decided.

    Raises:
        RunError: what was found and how to mend it.
    """
    expected = getattr(torch, masters)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
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


def _moments(state: Mapping[str, Any]) -> Iterable[tuple[str, Tensor]]:
    for key, value in state.items():
        if isinstance(value, Tensor) and value.is_floating_point() and key.startswith("exp_avg"):
            yield key, value


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
