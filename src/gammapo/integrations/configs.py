"""Other trainers' configs read as recipes: SimPO's and γ-PO's YAML, and TRL's. Every difference is said.

Sources of what their keys mean: github.com/princeton-nlp/SimPO (scripts/simpo_trainer.py),
github.com/sunjie279/gammaPO (scripts/simpo_trainer.py, simpo_config.py), and TRL 1.16's CPOConfig, DPOConfig.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gammapo import files, losses
from gammapo.errors import InputError
from gammapo.integrations.config_losses import loss_section
from gammapo.training import Recipe, parse_recipe

KINDS = ("simpo", "gammapo", "trl")
# kept as they are, being transformers' own
PASSED = (
    "learning_rate",
    "num_train_epochs",
    "max_steps",
    "lr_scheduler_type",
    "warmup_ratio",
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
    "fp16",
)
USED = {
    *PASSED,
    *"model_name_or_path torch_dtype dtype use_flash_attention_2 attn_implementation dataset_mixer".split(),
    *"dataset_splits dataset_name dataset_train_split max_length max_prompt_length truncation_mode".split(),
    "beta",
    *"gamma gamma_beta_ratio simpo_gamma cpo_alpha sft_weight label_smoothing loss_type trainer_type".split(),
    *"length_norm tau flip alpha per_device_train_batch_size gradient_accumulation_steps output_dir".split(),
    *"use_peft lora_r lora_alpha lora_dropout lora_target_modules report_to chat_template".split(),
}
# they change logging, saving or speed, and nothing that is learned
HARMLESS = {
    *"preprocessing_num_workers dataset_num_proc do_eval evaluation_strategy eval_strategy".split(),
    "eval_steps",
    *"hub_model_id log_level logging_strategy run_name per_device_eval_batch_size push_to_hub".split(),
    *"save_strategy save_steps save_total_limit disable_dropout trust_remote_code".split(),
    *"dataloader_num_workers ddp_timeout overwrite_output_dir".split(),
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
        InputError: no mapping, a kind that cannot be told, or an objective that we do not have.
    """
    theirs = files.read_yaml(path)
    if not isinstance(theirs, dict):
        raise InputError("not a config", file=path, expected="a mapping of keys to values")
    kind = kind or tell_kind(theirs)
    if kind not in KINDS:
        raise InputError(
            "cannot tell whose config this is" if kind is None else f"got {kind!r}",
            file=path,
            field="--kind",
            expected="simpo, gammapo or trl",
            fix="say it with --kind",
        )
    found = Imported(kind=kind, recipe={})
    _model(theirs, found)
    _data(theirs, found)
    found.recipe["loss"] = loss_section(theirs, found.kind, path, found.differences)
    _training(theirs, found, gpus)
    found.recipe["output"] = theirs.get("output_dir") or "runs/imported"
    _rest(theirs, found)
    found.checked = parse_recipe(found.recipe, file=path)
    found.differences.append(f"effective objective here: {losses.create(**found.checked.loss).objective}")
    return found


def tell_kind(theirs: dict[str, Any]) -> str | None:
    """Whose keys these are, None where they could be anyone's."""
    if "trainer_type" in theirs or str(theirs.get("loss_type")) in ("gm-simpo", "b-simpo"):
        return "gammapo"
    if "gamma_beta_ratio" in theirs or ("gamma" in theirs and "dataset_mixer" in theirs):
        return "simpo"
    if {"simpo_gamma", "cpo_alpha", "loss_type", "use_peft", "dataset_name"} & theirs.keys():
        return "trl"
    return None


# ---- sections ----


def _model(theirs: dict[str, Any], found: Imported) -> None:
    path = theirs.get("model_name_or_path")
    if not path:
        raise InputError("no model is named", field="model_name_or_path", expected="a folder or hub id")
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
        found.recipe["lora"] = {
            "rank": theirs.get("lora_r", 16),
            "alpha": theirs.get("lora_alpha", 32),
            "dropout": theirs.get("lora_dropout", 0.05),
            "target_modules": targets,
        }
    if theirs.get("chat_template"):
        found.differences.append(
            "chat_template is not carried over: the tokenizer's own is used. To keep theirs, set it on the "
            "tokenizer and save that into the model's folder"
        )


def _data(theirs: dict[str, Any], found: Imported) -> None:
    mixer = theirs.get("dataset_mixer") or {}
    name = next(iter(mixer), None) or theirs.get("dataset_name")
    if not name:
        raise InputError("no data set is named", field="dataset_mixer", expected="a data set")
    if len(mixer) > 1 or any(share != 1.0 for share in mixer.values()):
        found.differences.append(
            f"dataset_mixer {mixer}: only {name} is taken, whole; for a mixture see docs on data mixtures"
        )
    split = (theirs.get("dataset_splits") or [theirs.get("dataset_train_split") or "train"])[0]
    limit = theirs.get("max_length") or (1024 if found.kind == "trl" else 512)
    found.recipe["data"] = {"path": name, "split": split, "max_length": limit}
    if found.kind == "trl":
        found.differences.append(
            f"truncation: TRL cuts the end of prompt + answer at {limit} tokens (keep_start); here the "
            "prompt loses its beginning first, then answers their end, and both are counted"
        )
        return
    prompt = theirs.get("max_prompt_length") or 128
    found.recipe["data"]["max_prompt_length"] = prompt
    found.differences.append(
        f"truncation: where prompt and answer exceed {limit} tokens, their trainer cuts the prompt to its "
        f"last {prompt} tokens and then, if that is not enough, both answers to {limit} - {prompt} = "
        f"{limit - prompt} tokens, however short the prompt is. Here answers keep all the room the prompt "
        "leaves, a prompt is cut to that limit even if the whole would fit, and every cut is counted"
    )
    found.differences.append(
        "end of turn: their trainer appends EOS to an answer before cutting it; here an answer ends with the "
        "template's end-of-turn token if and only if it was not cut, and there is never a second BOS"
    )


def _training(theirs: dict[str, Any], found: Imported, gpus: int) -> None:
    batch = theirs.get("per_device_train_batch_size", 8)
    accumulation = theirs.get("gradient_accumulation_steps", 1)
    pairs = batch * accumulation * gpus
    training = {key: theirs[key] for key in PASSED if theirs.get(key) is not None}
    training["pairs_per_step"] = pairs
    defaults = {"num_train_epochs": 3, "lr_scheduler_type": "linear", "warmup_ratio": 0.0, "seed": 42}
    for key, value in defaults.items():
        training.setdefault(key, value)
    training.setdefault("learning_rate", 1e-6 if found.kind == "trl" else 5e-5)
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


def _rest(theirs: dict[str, Any], found: Imported) -> None:
    for key in sorted(theirs.keys() - USED - HARMLESS):
        found.differences.append(f"{key}={theirs[key]!r} is not carried over")
