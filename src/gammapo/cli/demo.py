"""`gammapo demo`: the whole loop offline, on an embedded real model."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    output: Path = typer.Option(Path("demo"), "-o", "--output", help="Folder for everything it makes."),
    quick: bool = typer.Option(False, "--quick", help="A smaller one, in at most two minutes."),
    seed: int = typer.Option(0, min=0, help="Decides flips, order, adapters and answers."),
    format: Format = typer.Option(Format.table, help="How to print the result."),
) -> None:
    """Corrupt labels, train, generate, judge and report; the same command goes on where it was killed."""
    from gammapo import files, report
    from gammapo.cli.console import print_json, progress
    from gammapo.demo import QUICK, Plan, run_demo

    rows = run_demo(output, Plan(seed=seed, **(QUICK if quick else {})), progress)
    if format is Format.json:
        print_json(rows)
        return
    report.terminal_table(rows, files.read_json(output / "comparisons.json"))
    print(f"\nreport: {output / 'report.html'}")
