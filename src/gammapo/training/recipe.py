"""Recipes: what a training run is, as YAML checked key by key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from gammapo import files, losses, noise, strict_yaml
from gammapo.errors import InputError, nearest
from gammapo.training import adapters, arguments


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ModelSection(_Section):
    """The model to start from; it is also the reference."""

    path: str = Field(description='folder, hub id, or "smollm2" (the embedded model)')
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="of the arithmetic, and of frozen weights under adapters"
    )
    masters: Literal["float32", "dtype"] = Field(
        "float32", description="of the trained weights; dtype: pure half precision, which loses small updates"
    )


class LoraSection(_Section):
    """Low-rank adapters instead of full fine-tuning (arXiv:2106.09685)."""

    rank: int = Field(16, ge=1)
    alpha: float = Field(32.0, gt=0, description="scale; the update is multiplied by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: str | list[str] = Field("all-linear", description="module names, or all-linear")
    base: Literal["dtype", "4bit"] = Field(
        "dtype", description="frozen weights: of model.dtype, or in 4 bits (QLoRA; needs bitsandbytes)"
    )


class DataSection(_Section):
    """The pairs to train on."""

    path: str = Field(description="pair file, mixture, folder or hub id; :CONFIG behind the last two")
    split: str | None = Field(None, description="split of a data set that has several")
    limit: int | None = Field(None, ge=1, description="take only the first pairs")
    max_length: int = Field(2048, ge=8, description="tokens of prompt and answer together")
    max_prompt_length: int | None = Field(
        None, ge=1, description="tokens of the prompt (default: no own limit)"
    )
    on_bad: Literal["raise", "drop"] = Field("raise", description="stop at a bad row, or drop it and say so")


class NoiseSection(_Section):
    """Labels to corrupt before training, recorded in the run's noise manifest."""

    kind: str | None = Field(None, description="a noise kind; `gammapo corrupt --help` lists them")
    rate: float = Field(0.0, ge=0, le=1, description="share of the pairs")
    seed: int = 0
    options: dict[str, Any] = Field(default_factory=dict, description="the kind's own options")


class TrainingSection(_Section):
    """Optimisation. Any further key is handed to transformers' TrainingArguments, where it must exist."""

    model_config = ConfigDict(extra="allow", frozen=True)

    learning_rate: float = Field(5e-7, gt=0)
    num_train_epochs: float = Field(1.0, gt=0)
    pairs_per_step: int = Field(128, ge=1, description="pairs in an optimiser step, over all ranks")
    tokens_per_batch: int = Field(4096, ge=8, description="the most tokens a micro-batch holds")
    lr_scheduler_type: str = "cosine"
    warmup_ratio: float = Field(0.1, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, ge=0)
    seed: int = Field(0, ge=0, lt=2**32, description="order of the pairs, adapters, dropout")
    logging_steps: int = Field(1, ge=1)
    save_steps: float = Field(0.2, gt=0, description="steps between checkpoints; below 1, a share of the run")
    save_total_limit: int = Field(2, ge=1, description="checkpoints kept")
    sample_every: int | None = Field(
        None, ge=1, description="steps between samples of answers, taken at logging steps (default: never)"
    )
    samples: int = Field(8, ge=1, description="prompts of the training pairs that are sampled")
    sample_tokens: int = Field(128, ge=8, description="the most tokens of a sampled answer")


class Recipe(_Section):
    """One training run."""

    model: ModelSection
    data: DataSection
    loss: dict[str, Any] = Field(description="name, and the loss's own options")
    output: str = Field(description="the run folder")
    lora: LoraSection | None = None
    noise: NoiseSection = Field(default_factory=lambda: NoiseSection.model_validate({}))
    training: TrainingSection = Field(default_factory=lambda: TrainingSection.model_validate({}))

    def as_yaml(self) -> str:
        return strict_yaml.dump(self.model_dump())


def load_recipe(path: str | Path, overrides: list[str] | None = None) -> Recipe:
    """Read a recipe; `overrides` are `section.key=value`, with the value read as YAML.

    Raises:
        InputError: no such file, no YAML, an unknown key (the nearest known one is named) or a bad value,
            such as one that transformers, its optimiser or its schedule would refuse.
    """
    content = files.read_yaml(path)
    if not isinstance(content, dict):
        raise InputError("not a recipe", file=path, expected="a mapping with model, data, loss and output")
    return parse_recipe(with_overrides(content, overrides or []), file=path)


def with_overrides(content: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """A recipe's mapping with each `section.key=value` put in; the value is read as YAML.

    Raises:
        InputError: an override that cannot be read, or that goes into a single value.
    """
    content = copy.deepcopy(content)
    for override in overrides:
        _override(content, override)
    return content


def parse_recipe(content: dict[str, Any], file: str | Path | None = None) -> Recipe:
    """A recipe from a mapping, checked.

    Raises:
        InputError: see `load_recipe`.
    """
    try:
        recipe = Recipe.model_validate(content)
    except pydantic.ValidationError as error:
        raise _explain(error, file) from error
    if not isinstance(recipe.loss.get("name"), str):
        raise InputError("no loss is named", file=file, field="loss.name", expected="the name of a loss")
    try:
        losses.create(**recipe.loss)
        _check_noise(recipe.noise)
        if recipe.lora is not None:
            adapters.check_targets(recipe.model.path, recipe.lora)
        return recipe.model_copy(update={"training": arguments.checked(recipe.training)})
    except InputError as error:
        raise error.inside(file) from error


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise InputError(f"cannot read {override!r}", expected="section.key=value, as in loss.beta=2.5")
    *path, last = key.split(".")
    for part in path:
        if content.get(part) is None:
            content[part] = {}
        content = content[part]
        if not isinstance(content, dict):
            raise InputError(f"{part} is a single value", field=key, expected="a section of the recipe")
    try:
        content[last] = strict_yaml.parse(value)
    except InputError as error:
        raise InputError(f"cannot read the value {value!r}", field=key, expected="a YAML value") from error


def _explain(error: pydantic.ValidationError, file: str | Path | None) -> InputError:
    told = error.errors()
    # a mistyped key is also a missing one; the typing error is the one to mend
    first = next((one for one in told if one["type"] == "extra_forbidden"), told[0])
    place = [str(part) for part in first["loc"]]
    if first["type"] == "extra_forbidden":
        section: Any = Recipe
        for part in place[:-1]:
            annotation = section.model_fields[part].annotation
            section = next(
                kind
                for kind in (annotation, *getattr(annotation, "__args__", ()))
                if hasattr(kind, "model_fields")
            )
        return InputError(
            f"unknown key {place[-1]!r}",
            file=file,
            field=".".join(place),
            expected=nearest(place[-1], list(section.model_fields)),
            fix="correct the key or remove it",
        )
    missing = first["type"] == "missing"
    return InputError(
        "missing" if missing else f"got {first['input']!r}",
        file=file,
        field=".".join(place),
        expected="a value" if missing else first["msg"].removeprefix("Input should be "),
        fix="change the recipe, or give it on the command line as key=value",
    )


def _check_noise(section: NoiseSection) -> None:
    if section.kind is None and section.rate > 0:
        raise InputError(
            f"no kind is named, and noise.rate is {section.rate:g}",
            field="noise.kind",
            expected=f"one of {', '.join(noise.names())}, or module:attribute",
            fix="name the kind, or take the rate away",
        )
    if section.kind is not None:
        try:
            noise.get(section.kind)
        except InputError as error:
            raise InputError(
                error.problem, field="noise.kind", expected=error.expected, fix=error.fix
            ) from error
