"""`gammapo bench GRID.yaml`: losses against noise in worlds whose gold reward is known."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    grid: Path = typer.Argument(help="What to cross with what (see benchmarks/grids/).", metavar="GRID.yaml"),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Folder of results (default: bench/<name of the grid>)."
    ),
    workers: int | None = typer.Option(None, min=1, help="Runs at a time (default: the grid's)."),
    engine: str = typer.Option("local", help="local (processes of this machine) or ray (many machines)."),
    gpus: float = typer.Option(
        0.0,
        min=0,
        help="A run's share of a GPU, as 0.25; 0 trains on the CPU (the tiny world is as quick there).",
    ),
    stored: bool = typer.Option(
        False, "--stored", help="Report the runs that the folder holds, whatever is missing, and run nothing."
    ),
    remake: int | None = typer.Option(
        None,
        "--remake",
        min=1,
        metavar="N",
        help="Run N of the stored runs again, drawn by --seed, and tell whether they come out alike. "
        "Writes nothing; exit code 1 if one does not.",
    ),
    seed: int = typer.Option(0, help="Which stored runs --remake draws."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Count the runs, and run nothing."),
    format: Format = typer.Option(Format.table, help="How to print the results."),
) -> None:
    """Run every loss under every noise, seed by seed; a killed grid goes on where it stood."""
    from dataclasses import asdict

    from gammapo.benchmark.bench import bench, plan
    from gammapo.benchmark.grid import load_grid
    from gammapo.cli.console import print_json, print_table, stderr

    asked = load_grid(grid)
    folder = output or Path("bench") / grid.stem
    if dry_run:
        counts = asdict(plan(asked, folder))
        if format is Format.json:
            print_json(counts)
        else:
            print_table(["", ""], [[name.replace("_", " "), value] for name, value in counts.items()])
        return
    if remake is not None:
        _remake(asked, folder, remake, format, seed=seed, workers=workers, engine=engine, gpus=gpus)
        return
    result = bench(
        asked,
        folder,
        engine=engine,
        workers=workers,
        gpus=gpus,
        stored_only=stored,
        command=_repeat(grid, folder, gpus),
        watch=lambda at: stderr.print(_line(at)),
    )
    for failure in result.failures:
        stderr.print(f"failed: {failure}")
    stderr.print(f"{result.ran} runs made, {len(result.rows)} in all; report: {folder / 'report.html'}")
    if format is Format.json:
        print_json({"folder": str(folder), "cells": result.cells, "summaries": result.summaries})
    else:
        head = ["world", "noise", "rate", "loss", "seeds", "gold", "95 %", "vs baseline", "p (Holm)"]
        print_table(head, [_cells(cell) for cell in result.cells])
    if result.failures:
        raise typer.Exit(1)


def _repeat(grid: Path, folder: Path, gpus: float) -> str:
    """The command that makes the same rows; how many at a time, and on how many machines, plays no part."""
    import shlex

    words = ["gammapo", "bench", str(grid), "-o", str(folder), *(["--gpus", f"{gpus:g}"] if gpus else [])]
    return shlex.join(words)


def _remake(grid, folder: Path, count: int, format: Format, **settings) -> None:
    from dataclasses import asdict

    from gammapo.benchmark.remake import remake
    from gammapo.cli.console import print_json, print_table, stderr

    found = remake(
        grid,
        folder,
        count,
        **settings,
        watch=lambda one: stderr.print(f"{one.world}, {one.loss}: made again"),
    )
    if format is Format.json:
        print_json([asdict(one) for one in found])
    else:
        head = ["world", "noise", "rate", "loss", "seed", "stored", "now", "alike"]
        print_table(head, [_compared(one) for one in found])
    for one in found:
        if one.error is not None:
            stderr.print(f"failed: {one.error}")
    if not all(one.alike for one in found):
        stderr.print(
            "not all are alike: other library versions, threads or another processor round otherwise; "
            "where these are the same, it is a fault"
        )
        raise typer.Exit(1)


def _compared(one) -> list[str]:
    now = "failed" if one.now is None else f"{one.now:.6f}"
    where = [one.world, one.noise, f"{one.rate:g}", one.loss, str(one.seed)]
    return [*where, f"{one.stored:.6f}", now, "yes" if one.alike else "no"]


def _line(at) -> str:
    left = "" if at.seconds_left is None else f", about {max(0, round(at.seconds_left))} s left"
    return f"{at.stage}: {at.done} of {at.total} runs, {at.failed} failed{left}"


def _cells(cell: dict) -> list[str]:
    ends, gap, p = cell["gold_ci95"], cell["difference"], cell["p_holm"]
    shared = "" if cell["compared_seeds"] == cell["seeds"] else f" ({cell['compared_seeds']} seeds)"
    return [
        cell["world"],
        cell["noise"],
        f"{cell['rate']:g}",
        cell["loss"],
        str(cell["seeds"]),
        f"{cell['gold_reward']:.3f}",
        "" if ends is None else f"{ends[0]:.3f} to {ends[1]:.3f}",
        "" if gap is None else f"{gap:+.3f}{shared}",
        "" if p is None else f"{p:.2g}",
    ]
