"""One training run, from recipe to run folder. The same call goes on where a killed run stood.

The run folder holds `recipe.yaml` (resolved), `run.json` (what was done with which versions and data),
`metrics.jsonl`, `ledger.parquet`, `noise.json` if labels were corrupted here, `samples.jsonl` if answers were
sampled on the way, `checkpoints/` and `model/`.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gammapo import files, models
from gammapo.errors import InputError
from gammapo.training import checkpoints
from gammapo.training.prepare import Prepared, prepare
from gammapo.training.recipe import OWN, Recipe
from gammapo.types import TokenizedPair

logger = logging.getLogger(__name__)
DONE = "done"
PACKAGES = ("torch", "transformers", "accelerate", "peft", "datasets", "tokenizers", "numpy")


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run. `resumed_from` is the step it went on from, None for a fresh run."""

    folder: Path
    model: Path
    steps: int
    seconds: float
    resumed_from: int | None
    metrics: dict[str, float]  # of the last logged step


def train(
    recipe: Recipe,
    *,
    on_step: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = logger.info,
) -> RunResult:
    """Train as the recipe says, and leave a complete run folder.

    Args:
        recipe: see `recipe.load_recipe`.
        on_step: called as (step, steps in all) after every optimiser step.
        say: called with a sentence at each stage.

    Raises:
        InputError: bad recipe or data, or an output folder that belongs to another run.
        RunError: a loss or gradient that is not finite.
    """
    folder = Path(recipe.output)
    if finished := _finished(folder, recipe):
        say(f"{folder} is complete already; nothing was trained")
        return finished
    prepared = prepare(recipe)
    main = _is_first_rank()
    if main:
        _claim(folder, prepared)
    for note in [*prepared.notes, prepared.loss.objective]:
        say(note)
    started = time.monotonic()
    model = _load_model(recipe)
    pairs = _with_reference(model, prepared, folder, say)
    trainer = _make_trainer(model, pairs, prepared, on_step)
    trainer.accelerator.wait_for_everyone()
    resumed = checkpoints.last_good(folder)
    step = None
    if resumed is not None:
        step = int(json.loads((resumed / checkpoints.SEAL).read_text())["step"])
        say(f"going on from step {step} ({resumed})")
        trainer.restore(resumed)
    elif main:
        for name in ("metrics.jsonl", "samples.jsonl"):  # rows before the first checkpoint are run again
            (folder / name).unlink(missing_ok=True)
    with models.quiet():
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
        _save_model(trainer, prepared, folder / "model")
    seconds = round(time.monotonic() - started, 1)
    if main:
        trainer.ledger.save(folder / "ledger.parquet")
        _note(folder, {"status": DONE, "steps": trainer.state.global_step, "seconds": seconds})
    trainer.accelerator.wait_for_everyone()
    return RunResult(
        folder=folder,
        model=folder / "model",
        steps=trainer.state.global_step,
        seconds=seconds,
        resumed_from=step,
        metrics=_last_metrics(folder),
    )


# ---- the run folder ----


def _identity(recipe: Recipe) -> dict[str, Any]:
    """What makes two runs the same run: everything but where it is written."""
    return recipe.model_dump(exclude={"output"})


def _finished(folder: Path, recipe: Recipe) -> RunResult | None:
    if not (folder / "run.json").is_file():
        return None
    note = files.read_json(folder / "run.json")
    if note.get("status") != DONE or note.get("recipe") != json.loads(json.dumps(_identity(recipe))):
        return None
    return RunResult(
        folder=folder,
        model=folder / "model",
        steps=note["steps"],
        seconds=note["seconds"],
        resumed_from=None,
        metrics=_last_metrics(folder),
    )


def _claim(folder: Path, prepared: Prepared) -> None:
    """Make the folder this run's, or find that it is; refuse a folder of anything else."""
    identity = json.loads(json.dumps(_identity(prepared.recipe)))
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "run.json").is_file():
            raise InputError(
                "the folder is not empty and holds no run",
                file=folder,
                field="output",
                fix="name another folder",
            )
        note = files.read_json(folder / "run.json")
        different = _differences(note.get("recipe", {}), identity)
        if note.get("data_fingerprint") != prepared.fingerprint:
            different.append("data (its content has changed)")
        if different:
            raise InputError(
                "the folder holds another run, which differs in " + ", ".join(different),
                file=folder,
                field="output",
                fix="name another output folder, or remove this one",
            )
        return
    files.write_text(folder / "recipe.yaml", prepared.recipe.as_yaml())
    if prepared.noise is not None:
        files.write_json(folder / "noise.json", prepared.noise)
    note = {
        "status": "started",
        "recipe": identity,
        "objective": prepared.loss.objective,
        "pairs": len(prepared.pairs),
        "data_fingerprint": prepared.fingerprint,
        "data": prepared.notes,
        "noise_manifest": None if prepared.noise is None else "noise.json",
        "versions": {"gammapo": importlib.metadata.version("gammapo")}
        | {name: importlib.metadata.version(name) for name in PACKAGES},
        "machine": f"{platform.machine()}, Python {platform.python_version()}, {platform.system()}",
    }
    files.write_json(folder / "run.json", note)


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            found
            for key in {**old, **new}
            for found in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if old == new else [f"{path} ({old!r} there, {new!r} here)"]


def _note(folder: Path, more: dict[str, Any]) -> None:
    files.write_json(folder / "run.json", files.read_json(folder / "run.json") | more)


def _last_metrics(folder: Path) -> dict[str, float]:
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1]) if lines else {}


# ---- model, reference, trainer ----


def _is_first_rank() -> bool:
    """As launchers say it; asking accelerate here would fix its device before the arguments are known."""
    return int(os.environ.get("RANK", "0")) == 0


def _load_model(recipe: Recipe) -> Any:
    model = models.load_model(recipe.model.path, dtype=recipe.model.dtype)
    if recipe.lora is None:
        return model
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(recipe.training.seed)  # adapters start at random
    config = LoraConfig(
        r=recipe.lora.rank,
        lora_alpha=recipe.lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=recipe.lora.dropout,
        target_modules=recipe.lora.target_modules,
        task_type="CAUSAL_LM",
    )
    with models.quiet():
        return get_peft_model(model, config)


def _with_reference(model: Any, prepared: Prepared, folder: Path, say) -> list[TokenizedPair]:
    """Log-probs under the starting model, for a loss that compares with it."""
    wanted = prepared.loss.needs | prepared.loss.uses
    if "reference" not in wanted:
        return prepared.pairs
    from gammapo import logps

    say("reading the reference's log-probs")
    reference = logps.reference_logps(
        model,
        prepared.pairs,
        tokens_per_batch=prepared.recipe.training.tokens_per_batch,
        cache=folder / "reference.parquet",
        model_name=prepared.recipe.model.path,
    )
    return [
        replace(pair, reference_chosen=chosen, reference_rejected=rejected)
        for pair, chosen, rejected in zip(
            prepared.pairs, reference.chosen.tolist(), reference.rejected.tolist(), strict=True
        )
    ]


def _make_trainer(model, pairs, prepared: Prepared, on_step) -> Any:
    import torch
    from transformers import TrainingArguments

    from gammapo.training.batches import StepDataset
    from gammapo.training.trainer import PairTrainer

    settings = prepared.recipe.training
    given = settings.model_dump(exclude=set(OWN))
    has_gpu = torch.cuda.is_available()
    if prepared.recipe.model.dtype == "float32" and "bf16" not in given:
        given["bf16"] = has_gpu and torch.cuda.is_bf16_supported()
    args = TrainingArguments(
        **{
            "output_dir": str(prepared.recipe.output),
            "per_device_train_batch_size": 1,  # an item is a whole optimiser step
            "gradient_accumulation_steps": 1,
            "warmup_steps": settings.warmup_ratio,
            "use_cpu": not has_gpu,
            "remove_unused_columns": False,
            "ddp_find_unused_parameters": False,
            "logging_nan_inf_filter": False,  # hides what the guard must see
            "save_strategy": "steps",
            "logging_strategy": "steps",
            "disable_tqdm": True,
            "report_to": "none",
            **given,
        }
    )
    steps = StepDataset(
        pairs,
        pairs_per_step=settings.pairs_per_step,
        tokens_per_batch=settings.tokens_per_batch,
        seed=settings.seed,
        rank=args.process_index,
        world_size=args.world_size,
    )
    return PairTrainer(
        model,
        args,
        steps,
        prepared.loss,
        Path(prepared.recipe.output),
        keep=settings.save_total_limit,
        on_step=on_step,
        samples=_sampling_plan(prepared),
    )


def _sampling_plan(prepared: Prepared) -> Any:
    """(plan, tokenizer) of the answers to sample while training, or None."""
    from gammapo.training.sampling import SamplingPlan, choose_prompts

    settings = prepared.recipe.training
    if settings.sample_every is None:
        return None
    plan = SamplingPlan(
        every=settings.sample_every,
        prompts=choose_prompts(prepared.pairs, settings.samples, settings.seed),
        max_new_tokens=settings.sample_tokens,
        seed=settings.seed,
    )
    return plan, prepared.tokenizer


def _save_model(trainer, prepared: Prepared, target: Path) -> None:
    trainer.save_model(str(target))
    if trainer.is_world_process_zero():
        prepared.tokenizer.save_pretrained(target)
