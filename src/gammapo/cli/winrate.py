"""`gammapo winrate annotations.json…`: win rates, length-controlled win rates and their intervals."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    files: list[Path] = typer.Argument(help="Judgements in AlpacaEval's format, .json, .jsonl or .gz."),
    format: Format = typer.Option(Format.table, help="json prints one object a file (a list for several)."),
    leaderboard_compatible: bool = typer.Option(
        False, help="Join difficulty by row position, as the public leaderboard does."
    ),
    bootstrap: int = typer.Option(1000, min=0, help="Resamples behind the 95 % intervals; 0 for none."),
    seed: int = typer.Option(0, min=0, help="Seed of the resamples."),
    tables: str = typer.Option("packaged", help="packaged, hub, or a folder with the official df_gamed.csv."),
    allow: list[str] = typer.Option(
        [], help="Go on despite: invalid, repeats, mixed, unknown, missing, nulls, reference."
    ),
    reference: str = typer.Option(None, help="The generator_1 that every file must have."),
    instructions: Path = typer.Option(None, help="The set the files must hold (a JSON list of rows)."),
    joint_difficulty: bool = typer.Option(
        False, help="Own sets: estimate difficulty across three or more files."
    ),
    html: Path = typer.Option(None, help="Also write a leaderboard page, one self-contained file."),
    overwrite: bool = typer.Option(False, help="Replace the page if it exists."),
) -> None:
    """Win rates of models against a reference, raw and length-controlled."""
    from gammapo.cli.console import print_json, stderr
    from gammapo.evaluation.evaluate import Options, evaluate_files, labels
    from gammapo.evaluation.tables import tables_from
    from gammapo.files import refuse_existing, refuse_input, write_text

    if html is not None:
        refuse_input(html, [*files, *([instructions] if instructions else [])])
        if not overwrite:
            refuse_existing(html)
    options = Options(
        bootstrap=bootstrap,
        seed=seed,
        leaderboard_compatible=leaderboard_compatible,
        allow=tuple(allow),
        reference=reference,
        expected_instructions=_instructions(instructions),
        tables=tables_from(tables),
    )
    results = evaluate_files(files, options, joint=joint_difficulty)
    if format is Format.json:
        objects = [result.as_dict() for result in results]
        print_json(objects[0] if len(objects) == 1 else objects)
    else:
        ranked = sorted(results, key=_rank, reverse=True)
        names = labels(ranked)
        print("\n".join(_table(names, ranked)))
        for name, result in zip(names, ranked, strict=True):
            for warning in result.warnings:
                stderr.print(f"{name}: {warning}", style="yellow")
    if html is not None:
        from gammapo.evaluation.page import leaderboard_page

        write_text(html, leaderboard_page(results), overwrite=overwrite)
        stderr.print(f"wrote {html}")


def _rank(result) -> float:
    lc = result.length_controlled
    return result.win_rate.win_rate if lc is None else lc.length_controlled_winrate


def _table(names, results) -> list[str]:
    """Plain aligned columns: names are never cut, so that a piped table can be read by a program."""

    def cell(value: float | None, ci) -> str:
        number = "-" if value is None else f"{value:.2f}"
        return number if ci is None else f"{number}  [{ci.low:.1f}, {ci.high:.1f}]"

    rows = [["model", "LC win rate", "win rate", "n", "length"]]
    for name, result in zip(names, results, strict=True):
        lc = result.length_controlled
        rows.append(
            [
                name + (" (!)" if result.suspicions else ""),
                cell(None if lc is None else lc.length_controlled_winrate, result.lc_ci),
                cell(result.win_rate.win_rate, result.win_rate_ci),
                str(result.win_rate.n_total),
                str(result.avg_length),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _instructions(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    from gammapo.errors import InputError
    from gammapo.files import read_json

    rows = read_json(path)
    if not isinstance(rows, list) or not rows:
        raise InputError(
            "is no instruction set", file=path, expected="a JSON list of rows with `instruction`"
        )
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("instruction"), str):
            raise InputError(
                "is missing or no text",
                file=path,
                field=f"row {number}: instruction",
                expected="text in every row",
                fix="complete or drop the row",
            )
    return [row["instruction"] for row in rows]
