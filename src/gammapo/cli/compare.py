"""`gammapo compare A B C`: who beats whom, with paired intervals, a chart and a sentence for every pair."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import typer

from gammapo.cli.console import Format


class Metric(StrEnum):
    lc = "lc"
    wr = "wr"


def command(
    files: list[Path] = typer.Argument(help="Two or more files of judgements against one reference."),
    arena: bool = typer.Option(
        False, help="The files hold models judged against each other: Bradley-Terry ratings on one scale."
    ),
    metric: Metric = typer.Option(None, help="lc: length-controlled win rate (the default); wr: raw."),
    format: Format = typer.Option(Format.table, help="json prints one object."),
    bootstrap: int = typer.Option(1000, min=100, help="Paired resamples."),
    seed: int = typer.Option(0, min=0, help="Seed of the resamples."),
    tables: str = typer.Option(
        None, help="packaged (the default), hub, or a folder with the official df_gamed.csv."
    ),
    allow: list[str] = typer.Option(
        [], help="Go on despite: invalid, repeats, mixed, unknown, missing, nulls, reference."
    ),
    output: Path = typer.Option(None, "-o", "--output", help="Also write chart.html or chart.svg."),
    overwrite: bool = typer.Option(False, help="Replace the chart if it exists."),
) -> None:
    """Compare models on the same instructions."""
    from gammapo.cli.console import print_json, stderr
    from gammapo.errors import InputError
    from gammapo.evaluation.annotations import read_annotations
    from gammapo.evaluation.comparison import compare
    from gammapo.evaluation.evaluate import Options
    from gammapo.evaluation.page import comparison_page, comparison_svg
    from gammapo.evaluation.tables import tables_from
    from gammapo.files import refuse_existing, refuse_input, write_text

    for number, file in enumerate(files):
        if file.resolve() in [other.resolve() for other in files[:number]]:
            raise InputError("is given twice", file=file, expected="each file once", fix="leave one out")
    if output is not None:
        refuse_input(output, files)
        if output.suffix not in {".html", ".svg"}:
            raise InputError(
                f"ends in {output.suffix!r}", file=output, expected="a name ending in .html or .svg"
            )
        if not overwrite:
            refuse_existing(output)
    if arena:
        for name, value in (("--metric", metric), ("--tables", tables), ("--allow", allow)):
            if value:
                raise InputError(
                    "has no part in the arena, which rates by every judged row as it is",
                    field=name,
                    fix="remove it, or --arena",
                )
        _arena(files, bootstrap, seed, format, output, overwrite)
        return
    options = Options(
        bootstrap=bootstrap, seed=seed, allow=tuple(allow), tables=tables_from(tables or "packaged")
    )
    result = compare(
        [read_annotations(file) for file in files], metric=(metric or Metric.lc).value, options=options
    )
    if format is Format.json:
        print_json(result.as_dict())
    else:
        _print(result)
        for warning in result.warnings:
            stderr.print(warning, style="yellow")
        for standing in result.standings:
            for warning in standing.warnings:
                stderr.print(f"{standing.name}: {warning}", style="yellow")
    if output is not None:
        page = comparison_svg(result) if output.suffix == ".svg" else comparison_page(result)
        write_text(output, page, overwrite=overwrite)
        stderr.print(f"wrote {output}")


def _print(result) -> None:
    from gammapo.evaluation.chart import interval_lines
    from gammapo.evaluation.comparison import NAMES
    from gammapo.evaluation.page import comparison_points

    print(
        f"{NAMES[result.metric]} against {result.reference}, {result.n_common} instructions, 95 % intervals\n"
    )
    print("\n".join(interval_lines(comparison_points(result))))
    print()
    for verdict in result.verdicts:
        p = f"p = {verdict.p_holm:.2g}" if verdict.p_holm >= 0.001 else "p < 0.001"
        print(f"{verdict.sentence}; {p} (Holm)")


def _arena(files, bootstrap: int, seed: int, format: Format, output: Path | None, overwrite: bool) -> None:
    from gammapo.cli.console import print_json, stderr
    from gammapo.evaluation.annotations import read_annotations
    from gammapo.evaluation.arena import one_sided, ratings
    from gammapo.evaluation.chart import interval_lines
    from gammapo.evaluation.page import arena_page, arena_points, arena_svg
    from gammapo.files import write_text

    read = [read_annotations(file) for file in files]
    found = ratings(read, n_bootstrap=bootstrap, seed=seed)
    warnings = [] if (doubt := one_sided(read)) is None else [doubt]
    left_out = sum(map(len, read)) - sum(rating.n_comparisons for rating in found) // 2
    if left_out:
        warnings.append(
            f"{left_out} rows are not judged, or compare a model with itself, and enter no rating"
        )
    for warning in warnings:
        stderr.print(warning, style="yellow")
    if format is Format.json:
        print_json(
            [
                {
                    "generator": rating.name,
                    "rating": rating.interval.estimate,
                    "ci95": [rating.interval.low, rating.interval.high],
                    "n_comparisons": rating.n_comparisons,
                }
                for rating in found
            ]
        )
    else:
        print("Bradley-Terry ratings in Elo points, mean 0, 95 % intervals\n")
        print("\n".join(interval_lines(arena_points(found))))
    if output is not None:
        page = arena_svg(found) if output.suffix == ".svg" else arena_page(found, warnings)
        write_text(output, page, overwrite=overwrite)
        stderr.print(f"wrote {output}")
