"""`gammapo train RECIPE [key=value …]`: one run; resumes by itself."""

from __future__ import annotations

import typer

from gammapo.cli.console import Format


def command(
    recipe: str = typer.Argument(..., help="The recipe, a YAML file."),
    overrides: list[str] = typer.Argument(None, metavar="[KEY=VALUE]...", help="As in loss.beta=2.5."),
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Check everything that needs no weights, then stop."
    ),
    format: Format = typer.Option(Format.table, help="How to print the result."),
) -> None:
    """Train one model; the same command goes on where a killed run stood."""
    from gammapo.cli.console import print_json, print_table, progress, stderr
    from gammapo.training import load_recipe, train
    from gammapo.training.prepare import prepare

    checked = load_recipe(recipe, overrides)
    if dry_run:
        prepared = prepare(checked)
        for note in [*prepared.notes, prepared.loss.objective]:
            stderr.print(note)
        stderr.print("the recipe and its data are sound; nothing was trained")
        return
    with progress("training") as bar:
        result = train(checked, on_step=bar, say=stderr.print)
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
