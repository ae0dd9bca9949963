"""`gammapo data describe FILE`: what was understood of a pair file."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from gammapo.cli.console import Format

if TYPE_CHECKING:
    from gammapo.data.describe import Description, Preview, Spread

app = typer.Typer(help="Look at preference data.", no_args_is_help=True)
BLOCKS = " ▁▂▃▄▅▆▇█"
CONTEXT = 60  # prompt tokens shown before an answer


@app.callback()
def _root() -> None:
    pass


@app.command("describe")
def describe_command(
    source: str = typer.Argument(help="A file, a `datasets` folder, a hub id, or a YAML mixture."),
    split: str = typer.Option(None, "--split", help="Split of a folder or hub id."),
    limit: int = typer.Option(None, "--limit", help="Read at most this many pairs."),
    model: str = typer.Option(None, "--model", help="Preview the first pair through this model's template."),
    format: Format = typer.Option(Format.table, "--format", help="How to print the result."),
) -> None:
    """Show shape, counts, lengths, scores, ties and repeats of a pair file, and one row as tokens."""
    from gammapo import models
    from gammapo.cli.console import print_json
    from gammapo.data import load_pairs
    from gammapo.data.describe import describe, preview

    found = describe(source, split=split, limit=limit)
    shown = None
    if model is not None:
        first = load_pairs(source, split=split, limit=1, on_bad="drop").pairs[0]
        shown = preview(first, models.load_tokenizer(model))
    if format is Format.json:
        print_json(as_json(found, shown))
    else:
        print_description(found)
        if shown is not None:
            print_preview(shown)


def as_json(found: Description, shown: Preview | None) -> dict[str, Any]:
    report = found.report
    value = asdict(found)
    value["report"] = {
        "source": report.source,
        "split": report.split,
        "shape": report.shape,
        "rows": report.rows,
        "pairs": report.pairs,
        "dropped": report.drop_counts,
        "dropped_rows": [asdict(drop) for drop in report.dropped[:100]],
        "ignored_columns": list(report.ignored_columns),
        "noise_marker": report.noise_marker,
        "fingerprint": report.fingerprint,
    }
    return {**value, "preview": None if shown is None else asdict(shown)}


def print_description(found: Description) -> None:
    from gammapo.cli.console import print_table
    from gammapo.data import REASONS

    report, total = found.report, max(found.report.pairs, 1)
    rows: list[list[str]] = [
        ["source", report.source + (f" [{report.split}]" if report.split else "")],
        ["shape", report.shape],
        ["rows", f"{report.rows} read, {report.pairs} usable"],
    ]
    rows += [["  left out", f"{count}  {REASONS[name]}"] for name, count in report.drop_counts.items()]
    rows += [
        ["turns in the prompt", _turns(found.turns)],
        ["with a system turn", str(found.system_turns)],
        ["chosen is longer", f"{100 * found.chosen_longer:.1f} %"],
        ["repeats", f"{found.repeats} with the same label, {found.contradictions} with the other label"],
        ["scored pairs", f"{found.scored} ({100 * found.scored / total:.1f} %)"],
    ]
    if found.score_gaps is not None:
        gaps = found.score_gaps
        rows += [
            ["  score gap", f"median {gaps.median:.4g}, from {gaps.minimum:.4g} to {gaps.maximum:.4g}"],
            ["  ties", str(found.ties)],
            ["  label against score", str(found.inversions)],
        ]
    if report.ignored_columns:
        rows.append(["columns not used", ", ".join(report.ignored_columns)])
    if report.noise_marker:
        rows.append(["corrupted on purpose", f"yes, manifest {report.noise_marker}"])
    print_table(["", ""], rows)
    print()
    lengths = [_length_row(name, spread) for name, spread in found.lengths.items()]
    axis = f"1 to {found.length_edges[-1]:.0f}, logarithmic"
    print_table(["characters", "min", "5 %", "median", "95 %", "max", axis], lengths)


def _turns(counts: dict[int, int]) -> str:
    """ "1: 658, 3: 579, more: 40": the five most frequent numbers of turns."""
    frequent = sorted(sorted(counts, key=lambda turns: -counts[turns])[:5])
    rest = sum(counts.values()) - sum(counts[turns] for turns in frequent)
    said = [f"{turns}: {counts[turns]}" for turns in frequent]
    return ", ".join(said + ([f"other: {rest}"] if rest else []))


def _length_row(name: str, spread: Spread) -> list[Any]:
    numbers = (spread.minimum, spread.p05, spread.median, spread.p95, spread.maximum)
    return [name, *(round(number) for number in numbers), sparkline(spread.histogram)]


def sparkline(counts: tuple[int, ...]) -> str:
    """One block character a bin; a bin that is not empty is never blank."""
    top = max(counts, default=0) or 1
    return "".join(BLOCKS[0 if count == 0 else max(1, round(8 * count / top))] for count in counts)


def print_preview(shown: Preview) -> None:
    from rich.text import Text

    from gammapo.cli.console import stdout

    console = stdout()
    template = "the model's chat template" if shown.template else "no chat template: plain text"
    console.print(f"\nPair {shown.pair} through {template}; loss falls on the tokens between ⟦ and ⟧.")
    for side in ("chosen", "rejected"):
        tokens = getattr(shown, side)
        start = sum(not token.loss for token in tokens)
        lead = tokens[max(0, start - CONTEXT) : start]
        text = Text("… " if start > CONTEXT else "", style="dim")
        text.append("".join(token.text for token in lead), style="dim")
        text.append("⟦" + "|".join(token.text for token in tokens[start:]) + "⟧", style="bold green")
        console.print(f"\n{side}: {start} prompt tokens, {len(tokens) - start} with loss", style="bold")
        console.print(text)
