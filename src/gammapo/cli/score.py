"""`gammapo score ANNOTATIONS`: the full-size task's score, and the ledger of submissions."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    annotations: Path = typer.Argument(help="Judgements of the submission against the reference."),
    simpo: str = typer.Option(..., help="SimPO's LC/WR in points, or its judgements: the score 0."),
    higher: str = typer.Option(..., help="The higher baseline's LC/WR, or its judgements: the score 100."),
    workspace: Path = typer.Option(None, help="The workspace; $WORKSPACE or /workspace if not given."),
    name: str = typer.Option(None, help="The submission, as its answers name their generator."),
    run: Path = typer.Option(None, help="Its run folder; the workspace's if not given."),
    enter: bool = typer.Option(True, help="Enter it into the ledger of at most three submissions."),
    format: Format = typer.Option(Format.table, help="How to print the result."),
) -> None:
    """Score a submission between two baselines: 0 at or below SimPO, 100 at or above the higher one."""
    from dataclasses import asdict

    from gammapo.cli.console import print_json, print_table
    from gammapo.workspace.paths import open_workspace
    from gammapo.workspace.score import check_name, measure, parse_rates, score
    from gammapo.workspace.submissions import read_ledger, submit

    place = open_workspace(workspace, name)
    low, high = parse_rates(simpo, "--simpo"), parse_rates(higher, "--higher")
    rates = measure(annotations)
    called = place.name
    if enter or name:
        check_name(rates, called, annotations)
    else:
        called = rates.generator or called
    points = score(rates, low, high)
    if enter:
        entered = submit(
            place.submissions,
            name=place.name,
            run=run or place.run,
            annotations=annotations,
            rates=rates,
            points=points,
        )
    else:
        entered = read_ledger(place.submissions)
    if format is Format.json:
        print_json(
            {
                "name": called,
                "lc": rates.lc,
                "wr": rates.wr,
                "lc_score": points.lc,
                "wr_score": points.wr,
                "score": points.task,
                "submissions": [asdict(one) for one in entered],
            }
        )
        return
    rows = [
        ["LC win rate", f"{rates.lc:.2f}", f"{low.lc:.2f}", f"{high.lc:.2f}", f"{points.lc:.1f}"],
        ["win rate", f"{rates.wr:.2f}", f"{low.wr:.2f}", f"{high.wr:.2f}", f"{points.wr:.1f}"],
    ]
    print_table(["", called, "SimPO", "higher", "score"], rows)
    print(f"score {points.task:.1f} of 100 (the mean of both)")
    for one in entered:
        print(f"submission {one.name}: {one.loss['name']}, LC {one.lc:.2f}, WR {one.wr:.2f}, {one.score:.1f}")
