"""`gammapo repair pairs.jsonl --recipe R.yaml -o DIR`: mend suspect labels, and see whether it helped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gammapo.cli.console import Format

if TYPE_CHECKING:
    from gammapo.training import Recipe


def command(
    source: str = typer.Argument(help="Pairs whose labels may be wrong: a file, a folder or a hub id."),
    recipe: Path = typer.Option(
        None, "--recipe", help="How to train, a YAML file; its data's path, split and limit are not used."
    ),
    model: str = typer.Option(None, "--model", help="Without a recipe: the model to start from."),
    loss: str = typer.Option(None, "--loss", help="Without a recipe: the loss."),
    change: list[str] = typer.Option(
        None, "--set", metavar="KEY=VALUE", help="Change the recipe, as in training.learning_rate=1e-5."
    ),
    output: Path = typer.Option(..., "-o", "--output", help="Folder for everything it makes."),
    how: str = typer.Option("flip", "--how", help="What to do with suspects: flip or drop."),
    above: float = typer.Option(0.5, "--above", help="Probability of a wrong label from which to do it."),
    seeds: int = typer.Option(1, "--seeds", help="Trainings a side; a finished folder takes more."),
    evaluation: str = typer.Option(None, "--eval", help="Held-out pairs, the cleaner the better."),
    holdout: float = typer.Option(0.2, "--holdout", help="Without --eval: share of the prompts held out."),
    scorer: str = typer.Option(
        None, "--scorer", help="Also answer the held-out prompts and score that: rules:FILE, reward:PATH, …"
    ),
    max_new_tokens: int = typer.Option(256, min=1, help="With --scorer: longest answer, in tokens."),
    temperature: float = typer.Option(0.7, min=0.0, help="With --scorer: 0 is greedy."),
    by: str = typer.Option(
        "witnesses",
        "--by",
        help="What judges a label: witnesses (first visits, texts) or ledger (all visits).",
    ),
    cross_fit: int = typer.Option(
        0, "--cross-fit", help="Judge each label by one of K models not trained on it, and by the texts."
    ),
    ceiling: bool = typer.Option(
        False, "--ceiling", help="Where wrong labels are known: train on the true ones too."
    ),
    seed: int = typer.Option(0, "--seed", min=0, help="Of the split, the bootstrap and the answers."),
    format: Format = typer.Option(Format.table, "--format", help="How to print the result."),
) -> None:
    """Train, audit, flip or drop the confident suspects, train again, and measure against doing nothing.

    The same command goes on where it was killed. The report lies in the folder as report.html and report.md.
    """
    from gammapo.cli.console import print_json, progress, stderr
    from gammapo.repair import RepairPlan, run_repair

    plan = RepairPlan(
        source=source,
        recipe=_recipe(source, recipe, model, loss, change or [], output),
        how=how,
        above=above,
        seeds=seeds,
        evaluation=evaluation,
        holdout=holdout,
        scorer=scorer,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        by=by,
        cross_fit=cross_fit,
        ceiling=ceiling,
        seed=seed,
    )
    results = run_repair(output, plan, stage=progress, say=stderr.print)
    if format is Format.json:
        print_json(results)
    else:
        print_results(results, output)


def _recipe(
    source: str, path: Path | None, model: str | None, loss: str | None, changes: list[str], output: Path
) -> Recipe:
    from gammapo.errors import InputError
    from gammapo.training.recipe import load_recipe, parse_recipe, with_overrides

    if path is not None:
        given = next((name for name, value in (("--model", model), ("--loss", loss)) if value), None)
        if given:
            key = "path" if given == "--model" else "name"
            raise InputError(
                "says twice how to train",
                field=given,
                expected="--recipe, or --model with --loss",
                fix=f"leave {given} out, or use --set {given[2:]}.{key}=…",
            )
        # which rows of its own data a recipe takes says nothing of these pairs
        return load_recipe(path, ["data.split=null", "data.limit=null", *changes])
    if model is None or loss is None:
        raise InputError("nothing says how to train", expected="--recipe, or --model with --loss")
    content: dict[str, Any] = {
        "model": {"path": model},
        "data": {"path": source},
        "loss": {"name": loss},
        "output": str(output),
    }
    return parse_recipe(with_overrides(content, changes))


def print_results(results: dict[str, Any], output: Path) -> None:
    from gammapo.cli.console import print_table
    from gammapo.report.numbers import number, span
    from gammapo.report.repair import ARMS, METRICS, verdict

    print(verdict(results).text + "\n")
    rows = [
        [METRICS[row["metric"]], ARMS[row["arm"]], number(row["mean"], 3), span(low, high, 3)]
        for row in results["arms"]
        for low, high in [row["ci95"]]
    ]
    print_table(["measure", "trained on", "mean", "95 % interval"], rows)
    print()
    changed = [
        [str(one[name]) if one[name] is not None else "not known" for name in COLUMNS]
        for one in results["repairs"]
    ]
    print_table([name.replace("_", " ") for name in COLUMNS], changed)
    print(f"\nreport: {output / 'report.html'}")


COLUMNS = ("seed", "changed", "right", "harmed", "missed")
