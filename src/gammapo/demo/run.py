"""The whole loop: corrupt, train, generate, judge, report. Every stage leaves files and is skipped once done.

Folder: `clean.jsonl`, `pairs.jsonl` with `pairs.noise.json`, `runs/<model>/` (see `training.run`),
`model_outputs/<model>.json`, `answers/<model>.json` (with gold rewards), `annotations/<model>.json`,
`results.json`, `comparisons.json`, `meta.json`, `report.html`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from gammapo import __version__, data, files, generation, logps, models, report
from gammapo.benchmark.worlds.gold import ConstraintScorer
from gammapo.demo import measure
from gammapo.demo.pairs import CLEAN, NOISY, held_out_prompts, write_pair_files
from gammapo.demo.plan import BASE, Arm, Plan
from gammapo.errors import InputError
from gammapo.training import parse_recipe, train
from gammapo.types import Message

Update = Callable[[int, int], None]
Stage = Callable[[str], AbstractContextManager[Update]]


def _silent(_: str) -> AbstractContextManager[Update]:
    return nullcontext(lambda done, total: None)


def run_demo(output: str | Path, plan: Plan, stage: Stage = _silent) -> list[dict[str, Any]]:
    """Run the demo, or what is left of it, and return `results.json`'s rows.

    Args:
        output: the folder; a folder of a demo with another plan is refused.
        plan: how much to do.
        stage: called with a stage's name; gives a context with the function to report (done, total) to.

    Raises:
        InputError: the folder holds something else, or the embedded model is not installed.
    """
    folder = Path(output)
    meta = _claim(folder, plan)
    with _timed(folder, meta, "pairs"):
        write_pair_files(folder, plan)
    for arm in plan.arms:
        with _timed(folder, meta, f"train {arm.name}"), stage(f"training {arm.name}") as update:
            train(_recipe(folder, plan, arm), on_step=update, say=lambda _: None)
    names = [BASE, *(arm.name for arm in plan.arms)]
    for name in names:
        with _timed(folder, meta, f"answer {name}"), stage(f"answering with {name}") as update:
            _answer(folder, plan, name, update)
    with _timed(folder, meta, "judge"), stage("judging") as update:
        answers = _score(folder, names, update)
        rows = _results(folder, plan, answers)
    files.write_json(folder / "comparisons.json", measure.comparisons(answers, plan))
    files.write_json(folder / "results.json", rows)
    meta["seconds"] = round(sum(meta["stages"].values()), 1)
    files.write_json(folder / "meta.json", meta)
    files.write_text(folder / "report.html", report.demo_report(folder))
    return rows


# ---- the folder ----


def _claim(folder: Path, plan: Plan) -> dict[str, Any]:
    settings = json.loads(json.dumps(plan.as_dict()))
    path = folder / "meta.json"
    if path.is_file():
        meta = files.read_json(path)
        if meta.get("settings") != settings:
            raise InputError(
                "the folder holds a demo with other settings", file=folder, fix="give --output another folder"
            )
        return meta
    if folder.exists() and any(folder.iterdir()):
        raise InputError(
            "the folder is not empty and holds no demo", file=folder, fix="give --output another folder"
        )
    packages = ("torch", "transformers", "peft", "scikit-learn", "numpy")
    meta = {
        "command": plan.command(folder),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "seeds": plan.seed,
        "settings": settings,
        "versions": {"gammapo": __version__} | {name: importlib.metadata.version(name) for name in packages},
        "stages": {},
    }
    files.write_json(path, meta)
    return meta


@contextmanager
def _timed(folder: Path, meta: dict[str, Any], name: str) -> Iterator[None]:
    """Add to the stage's seconds, in the file too, so that a resumed demo knows what it cost in all."""
    started = time.monotonic()
    try:
        yield
    finally:
        seconds = time.monotonic() - started
        meta["stages"][name] = round(meta["stages"].get(name, 0.0) + seconds, 1)
        files.write_json(folder / "meta.json", meta)


def _recipe(folder: Path, plan: Plan, arm: Arm) -> Any:
    return parse_recipe(
        {
            "model": {"path": plan.model},
            "data": {"path": str(folder / (NOISY if arm.noisy else CLEAN)), "max_length": 512},
            "loss": arm.loss,
            "lora": {"rank": plan.lora_rank, "alpha": 2 * plan.lora_rank},
            "training": {
                "learning_rate": plan.learning_rate,
                "num_train_epochs": plan.epochs,
                "pairs_per_step": plan.pairs_per_step,
                "tokens_per_batch": plan.tokens_per_batch,
                "seed": plan.seed,
                "save_steps": 10,
                "save_total_limit": 1,
            },
            "output": str(folder / "runs" / arm.name),
        }
    )


# ---- stages ----


def _model_path(folder: Path, plan: Plan, name: str) -> str:
    return plan.model if name == BASE else str(folder / "runs" / name / "model")


def _answer(folder: Path, plan: Plan, name: str, update: Update) -> None:
    """Answers to the held-out prompts, and the reward of the chosen training answers."""
    outputs, probe = folder / "model_outputs" / f"{name}.json", folder / "probes" / f"{name}.json"
    if outputs.is_file() and probe.is_file():
        return
    model = models.load_model(_model_path(folder, plan, name))
    tokenizer = models.load_tokenizer(plan.model)
    if not outputs.is_file():
        backend = generation.create("transformers", model=model, tokenizer=tokenizer)
        sampling = generation.Sampling(
            max_new_tokens=plan.max_new_tokens, temperature=plan.temperature, seed=plan.seed
        )
        generation.write_outputs(
            held_out_prompts(plan), backend, sampling, outputs, generator=name, progress=update
        )
    files.write_json(probe, _chosen_logps(folder, plan, model, tokenizer))


def _chosen_logps(folder: Path, plan: Plan, model: Any, tokenizer: Any) -> list[float]:
    """Log-prob per token of truly better answers: the first training pairs with their clean labels."""
    import torch

    pairs = data.load_pairs(folder / CLEAN, limit=plan.probes).pairs
    tokens = data.tokenize_pairs(pairs, tokenizer, max_length=512).pairs
    with torch.no_grad():
        read = [logps.pair_logps(model, tokens[start : start + 8]) for start in range(0, len(tokens), 8)]
    return [value for batch in read for value in (batch.chosen / batch.chosen_length).tolist()]


def _score(folder: Path, names: list[str], update: Update) -> dict[str, list[dict[str, Any]]]:
    """Every model's answers with their gold rewards, written to `answers/`."""
    scorer, answers = ConstraintScorer(), {}
    for index, name in enumerate(names):
        path = folder / "answers" / f"{name}.json"
        if not path.is_file():
            outputs = files.read_json(folder / "model_outputs" / f"{name}.json")
            prompts = [[Message(role="user", content=row["instruction"])] for row in outputs]
            golds = scorer.explain(prompts, [row["output"] for row in outputs])
            rows = [
                {
                    "instruction": row["instruction"],
                    "output": row["output"],
                    "finish_reason": row["finish_reason"],
                    "gold": gold.reward,
                    "parts": gold.as_dict(),
                }
                for row, gold in zip(outputs, golds, strict=True)
            ]
            files.write_json(path, rows)
        answers[name] = files.read_json(path)
        update(index + 1, len(names))
    return answers


def _results(folder: Path, plan: Plan, answers: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    probes = {name: files.read_json(folder / "probes" / f"{name}.json") for name in answers}
    arms = {arm.name: arm for arm in plan.arms}
    rows = []
    for name, mine in answers.items():
        judgements = measure.annotate(name, mine, answers[BASE], folder / "annotations" / f"{name}.json")
        arm = arms.get(name)
        # relative to the base, so that it says how far training moved the better answers
        moved = sum(a - b for a, b in zip(probes[name], probes[BASE], strict=True)) / len(probes[BASE])
        beta = arm.loss["beta"] if arm else 1.0
        rows.append(
            measure.result_row(
                name,
                arm.loss["name"] if arm else None,
                plan.noise_rate if arm and arm.noisy else 0.0,
                mine,
                judgements,
                beta * moved,
                plan,
            )
        )
    return rows
