"""Other trainers' configs read as recipes: SimPO's and γ-PO's YAML, TRL's and the alignment handbook's, which
is TRL's with data sets of its own. Every difference is said.

Sources of what their keys mean: github.com/princeton-nlp/SimPO (scripts/simpo_trainer.py),
github.com/sunjie279/gammaPO (scripts/simpo_trainer.py, simpo_config.py), and TRL 1.16's CPOConfig, DPOConfig
and ORPOConfig.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gammapo import losses
from gammapo.errors import InputError
from gammapo.integrations.config_data import data_section
from gammapo.integrations.config_keys import Theirs, read_keys
from gammapo.integrations.config_losses import loss_section
from gammapo.training import Recipe, parse_recipe

KINDS = ("simpo", "gammapo", "trl", "orpo")  # orpo: of TRL's ORPOTrainer
# kept as they are, being transformers' own
PASSED = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "lr_scheduler_type",
    "lr_scheduler_kwargs",
    "warmup_ratio",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "seed",
    "optim",
    "logging_steps",
    "gradient_checkpointing",
    "gradient_checkpointing_kwargs",
    "adam_beta1",
    "adam_beta2",
    "adam_epsilon",
    "bf16",
)
# they change logging, evaluation, saving or speed, and nothing that is learned
HARMLESS = {
    *"preprocessing_num_workers dataset_num_proc do_train do_eval evaluation_strategy eval_strategy".split(),
    *"eval_steps dataset_test_split per_device_eval_batch_size".split(),
    *"hub_model_id hub_model_revision hub_private_repo hub_strategy push_to_hub".split(),
    *"log_level logging_strategy run_name report_to".split(),
    *"save_strategy save_steps save_total_limit disable_dropout trust_remote_code".split(),
    *"dataloader_num_workers ddp_timeout overwrite_output_dir".split(),
    *"use_flash_attention_2 attn_implementation".split(),
}


@dataclass(kw_only=True)
class Imported:
    """A recipe and, in words, each way in which it differs from what the source would have done."""

    kind: str
    recipe: dict[str, Any]
    differences: list[str] = field(default_factory=list)
    checked: Recipe | None = None


def import_recipe(path: str | Path, *, kind: str | None = None, gpus: int = 4) -> Imported:
    """Read another trainer's config.

    Args:
        path: YAML or JSON with the trainer's own keys.
        kind: one of KINDS; None tells it by its keys.
        gpus: how many it was run on; pairs a step are batch size × accumulation × GPUs.

    Raises:
        InputError: no mapping, a kind that cannot be told, a value that cannot be read, or an objective that
            we do not have.
    """
    keys = read_keys(path)
    kind = kind or tell_kind(keys)
    if kind not in KINDS:
        raise InputError(
            "cannot tell whose config this is" if kind is None else f"got {kind!r}",
            file=path,
            field="--kind",
            expected="simpo, gammapo, trl or orpo",
            fix="say it with --kind",
        )
    theirs, found = Theirs(keys), Imported(kind=kind, recipe={})
    _model(theirs, found, path)
    found.recipe["data"] = data_section(theirs, found.kind, path, found.differences)
    found.recipe["loss"] = loss_section(theirs, found.kind, path, found.differences)
    _training(theirs, found, gpus)
    found.recipe["output"] = theirs.get("output_dir") or "runs/imported"
    _rest(theirs, found)
    found.checked = parse_recipe(found.recipe, file=path)
    found.differences.append(f"effective objective here: {losses.create(**found.checked.loss).objective}")
    return found


def tell_kind(theirs: dict[str, Any]) -> str | None:
    """Whose keys these are, None where they could be anyone's."""
    keys = theirs.keys()
    if "trainer_type" in keys or str(theirs.get("loss_type")) in ("gm-simpo", "b-simpo"):
        return "gammapo"
    if "gamma_beta_ratio" in keys or ("gamma" in keys and "dataset_mixer" in keys):
        return "simpo"
    if {"simpo_gamma", "cpo_alpha", "loss_type"} & keys:
        return "trl"
    # configs of TRL's DPO and ORPO can have the same keys; the handbook's tell by the names of their runs
    named = _named(theirs)
    if "orpo" in named:
        return "orpo" if named == {"orpo"} else None
    if {"dataset_mixer", "dataset_mixture"} & keys:
        return "trl" if named and "beta" in keys else None
    return "trl" if {"use_peft", "dataset_name"} & keys else None


def _named(theirs: dict[str, Any]) -> set[str]:
    """Which of the words dpo and orpo the run's names hold."""
    names = (
        str(theirs.get(key, "")) for key in ("output_dir", "hub_model_id", "hub_model_revision", "run_name")
    )
    return set(re.findall(r"(?<![a-z])(?:dpo|orpo)(?![a-z])", " ".join(names).lower()))


# ---- sections ----


def _model(theirs: Theirs, found: Imported, file: str | Path) -> None:
    path = theirs.get("model_name_or_path")
    if not path:
        raise InputError(
            "no model is named", file=file, field="model_name_or_path", expected="a folder or hub id"
        )
    dtype = theirs.get("torch_dtype", theirs.get("dtype"))
    ours = "float32" if dtype in (None, "auto", "float32") else str(dtype)
    if dtype in (None, "auto"):
        found.differences.append(
            "weights are loaded in float32 and computed in bfloat16 (dtype was left open: trainers of that "
            "time then loaded float32; today's load the checkpoint's bfloat16, which loses small updates)"
        )
    found.recipe["model"] = {"path": path, "dtype": ours}
    if theirs.get("use_peft"):
        targets = theirs.get("lora_target_modules") or "all-linear"
        dropout = theirs.get("lora_dropout", 0.05)
        # on unless set in all of their trainers (SimPO's and γ-PO's are CPO's), and it reaches the adapters
        if dropout and theirs.get("disable_dropout", True):
            found.differences.append(
                "lora_dropout: 0 here as in effect there, where disable_dropout (on unless set to false) "
                f"turns off the adapters' dropout of {dropout}"
            )
            dropout = 0.0
        found.recipe["lora"] = {
            "rank": theirs.get("lora_r", 16),
            "alpha": theirs.get("lora_alpha", 32),
            "dropout": dropout,
            "target_modules": targets,
        }
        if theirs.get("load_in_4bit"):
            found.recipe["lora"]["base"] = "4bit"
            quant = theirs.get("bnb_4bit_quant_type", "nf4")
            nested = "with" if theirs.get("use_bnb_nested_quant") else "without"
            found.differences.append(
                f"load_in_4bit: {quant} {nested} nested quantisation there; nf4 with it here, by lora.base"
            )
    if theirs.get("chat_template"):
        found.differences.append(
            "chat_template is not carried over: the tokenizer's own is used. To keep theirs, set it on the "
            "tokenizer and save that into the model's folder"
        )


def _training(theirs: Theirs, found: Imported, gpus: int) -> None:
    batch = theirs.get("per_device_train_batch_size", 8)
    accumulation = theirs.get("gradient_accumulation_steps", 1)
    pairs = batch * accumulation * gpus
    training = {key: theirs[key] for key in PASSED if theirs.get(key) is not None}
    training["pairs_per_step"] = pairs
    _warm_up(training, found)
    defaults = {"num_train_epochs": 3, "lr_scheduler_type": "linear", "warmup_ratio": 0.0, "seed": 42}
    for key, value in defaults.items():
        training.setdefault(key, value)
    training.setdefault("learning_rate", 1e-6 if found.kind in ("trl", "orpo") else 5e-5)
    if theirs.get("fp16"):
        training.pop("bf16", None)  # which can only be false beside it, and would mean float32
        found.differences.append(
            "fp16: float16 needs a scaled loss, which is not done here; arithmetic is in bfloat16 on a GPU, "
            "and in float32 with training.bf16=false"
        )
    found.recipe["training"] = training
    found.differences.append(
        f"a step holds {batch} × {accumulation} × {gpus} GPUs = {pairs} pairs (say --gpus if it ran "
        "on another number); it stays so on any number of GPUs, and tokens_per_batch replaces the batch size"
    )
    if rate := theirs.get("flip", 0):
        found.recipe["noise"] = {"kind": "symmetric", "rate": rate, "seed": training["seed"]}
        found.differences.append(
            f"flip={rate}: theirs throws one coin for a whole micro-batch, anew at every pass and in "
            "evaluation; here each pair's label is flipped once, before training, and recorded"
        )
    if theirs.get("length_norm") is False:
        found.differences.append("length_norm=false has no effect in their SimPO trainer; gaps are per token")


def _warm_up(training: dict[str, Any], found: Imported) -> None:
    """Leave one of the two keys, as transformers does: steps before a share, and none without a warm-up."""
    steps, share = training.get("warmup_steps"), training.get("warmup_ratio")
    if steps and share:
        found.differences.append(f"warmup_ratio={share} is without effect beside warmup_steps={steps}")
    if steps:
        training["warmup_ratio"] = 0.0
    else:
        training.pop("warmup_steps", None)
    if training.get("lr_scheduler_type") == "constant" and (steps or share):
        training.pop("warmup_steps", None)
        training["warmup_ratio"] = 0.0
        found.differences.append(
            "the warm-up is without effect with lr_scheduler_type constant, and left out"
        )


def _rest(theirs: Theirs, found: Imported) -> None:
    for key, value in theirs.unread().items():
        if key not in HARMLESS:
            found.differences.append(f"{key}={value!r} is not carried over")
