"""`gammapo train RECIPE [key=value …]`: one run; resumes by itself."""

from __future__ import annotations

import os
from typing import Any

import typer

from gammapo.cli.console import Format


def command(
    recipe: str = typer.Argument(..., help="The recipe, a YAML file."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="As in loss.beta=2.5."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Check everything that needs no weights, then stop."
    ),
    gpus: int = typer.Option(None, min=1, help="dry run: GPUs over all nodes (1)."),
    engine: str = typer.Option(None, help="dry run: zero3 (the default), fsdp2 or ddp."),
    gpu_memory: float = typer.Option(None, min=1, help="dry run: GiB of each (80)."),
    gpu_tflops: float = typer.Option(None, min=1, help="dry run: dense bfloat16 peak of each (H100: 989)."),
    format: Format = typer.Option(Format.table, help="How to print the result."),
) -> None:
    """Train one model; the same command goes on where a killed run stood."""
    from gammapo.cli.console import print_json, print_table, progress, stderr
    from gammapo.errors import InputError
    from gammapo.training import load_recipe, train

    planned = {"gpus": gpus, "engine": engine, "gpu_memory": gpu_memory, "gpu_tflops": gpu_tflops}
    asked = {name: value for name, value in planned.items() if value is not None}
    if asked and not dry_run:  # a run that was to take eight GPUs would take one, without a word
        raise InputError(
            "plans a dry run, and has no part in training",
            field="--" + next(iter(asked)).replace("_", "-"),
            fix="add --dry-run, or start the run on several GPUs with scripts/start.sh or torchrun",
        )
    checked = load_recipe(recipe, overrides)
    if dry_run:
        _plan(checked, format, **asked)
        return
    with progress("training") as bar:
        result = train(checked, on_step=bar, say=stderr.print)
    _leave_group()
    if int(os.environ.get("RANK", "0")) > 0:
        return  # one process speaks for all
    summary = {
        "run": str(result.folder),
        "model": str(result.model),
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "resumed_from": result.resumed_from,
        "metrics": result.metrics,
    }
    if format is Format.json:
        print_json(summary)
        return
    shown = ("loss", "reward_gap", "accuracy", "chosen_logp", "rejected_logp", "target_margin_mean")
    rows = [(key, f"{result.metrics[key]:.4f}") for key in shown if key in result.metrics]
    print_table(["last step", ""], rows)
    print(f"{result.steps} steps in {result.seconds:.0f} s; model in {result.model}")


def _leave_group() -> None:
    """End a distributed run together: ranks that go one by one can leave the last one waiting."""
    import torch.distributed as dist

    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def _plan(
    recipe: Any,
    format: Format,
    *,
    gpus: int = 1,
    engine: str = "zero3",
    gpu_memory: float = 80.0,
    gpu_tflops: float = 989.0,
) -> None:
    """Check what needs no weights, and say what the run will do and need."""
    from gammapo import planning
    from gammapo.cli.console import print_json, stderr
    from gammapo.planning.describe import as_dict, sections
    from gammapo.training.prepare import planned, prepare

    prepared = prepare(recipe)
    shape = planning.load_shape(recipe.model.path)
    plan = planning.plan_run(
        prepared, shape, gpus=gpus, engine=engine, gpu_memory=gpu_memory, peak_tflops=gpu_tflops
    )
    prepared = planned(prepared, plan.steps_per_epoch)
    if format is Format.json:
        print_json(as_dict(prepared, shape, plan))
    else:
        for title, rows in sections(prepared, shape, plan).items():
            print(f"\n{title}")
            for name, value in rows:
                print(f"  {name:22} {value}" if name else f"  {value}")
    for warning in plan.warnings:
        stderr.print(f"warning: {warning}", style="yellow")
    stderr.print("the recipe and its data are sound; nothing was trained")
