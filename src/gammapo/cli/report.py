"""`gammapo report`: one page from a folder of results."""

from __future__ import annotations

from pathlib import Path

import typer

from gammapo.cli.console import Format


def command(
    folder: Path = typer.Argument(
        help="A demo's output, a repair's, a run folder or a benchmark's folder.", metavar="DIR"
    ),
    output: Path | None = typer.Option(
        None, "-o", "--output", help="Where to write: .html or .md (default: DIR/report.html)."
    ),
    format: Format = typer.Option(Format.table, "--format", help="How to print the summary."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the output if it is there."),
) -> None:
    """Charts and tables of a demo, a repair, a run or a benchmark, as one self-contained page."""
    from gammapo import files
    from gammapo.cli.console import print_json, print_table, stderr
    from gammapo.errors import InputError
    from gammapo.report.folder import report_on
    from gammapo.report.terminal import ranking_table, terminal_table

    target = output or folder / "report.html"
    if target.suffix not in (".html", ".md"):
        ending = target.suffix or "no ending"
        raise InputError(f"{ending} is not supported", file=target, field="--output", expected=".html or .md")
    found = report_on(folder)
    if not overwrite:
        files.refuse_existing(target)
    files.write_text(target, found.page.markdown() if target.suffix == ".md" else found.page.render())
    stderr.print(f"report: {target}")
    if format is Format.json:
        summary = {"kind": found.kind, "report": str(target), "finding": found.finding}
        print_json({**summary, "rows": list(found.rows), "comparisons": list(found.comparisons)})
    elif found.kind == "demo":
        terminal_table(found.rows, found.comparisons)
    elif found.kind == "repair":
        print(found.finding)
    elif found.kind == "benchmark":
        ranking_table(found.rows)
    else:
        print_table(["Level", "Sign"], [[row["level"], row["sign"]] for row in found.rows])
