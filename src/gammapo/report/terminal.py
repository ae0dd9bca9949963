"""The results as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gammapo.report.finding import headline
from gammapo.report.markup import plain
from gammapo.report.numbers import number, percent, span
from gammapo.report.results import METRICS, Metric, Row

HEADS = {
    "gold_reward": "Gold",
    "win_rate": "WR",
    "length_controlled_winrate": "LC",
    "avg_length": "Chars",
    "chosen_reward": "Chosen",
}


def terminal_table(
    results: Sequence[Row], comparisons: Sequence[Row] = (), *, console: Console | None = None
) -> None:
    """Print the models and their metrics with 95 % intervals, and the finding, to stdout.

    Args:
        results: the rows of `results.json`.
        comparisons: the rows of `comparisons.json`.
    """
    console = console or Console(highlight=False)
    keys = [key for key in METRICS if any(row.get(key) is not None for row in results)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Model", overflow="fold", min_width=12)
    table.add_column("Noise", justify="right")
    for key in keys:
        table.add_column(HEADS[key], justify="right", no_wrap=True)
    best = {key: _best(results, key) for key in keys}
    for row in results:
        cells = [Text(str(row["model"]), style="bold"), Text(_noise(row))]
        for key in keys:
            shown = METRICS[key]
            cell = Text(shown.text(row.get(key)), style="bold green" if row.get(key) == best[key] else "")
            ends = _span(shown, row)
            cells.append(cell.append(f"\n{ends}", style="dim not bold default") if ends else cell)
        table.add_row(*cells)
    console.print(table)
    console.print()
    console.print(Text(plain(headline(results, comparisons).text)))


def ranking_table(rows: Sequence[Row], *, console: Console | None = None) -> None:
    """Print a benchmark's ranking (rows of `folder.ranking`) to stdout."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("Loss", overflow="fold")
    for head in ("Mean", "95 % interval", "Behind", "95 % interval", "Best or tied"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        ends, behind = row["ci95"], row["behind_ci95"] or (None, None)
        table.add_row(
            Text(str(row["loss"]), style="bold"),
            number(row["score"], 3),
            span(ends[0], ends[1], 3),
            "leader" if row["behind"] is None else number(row["behind"], 3, sign=True),
            span(behind[0], behind[1], 3, sign=True),
            f"{row['best_or_tied']}/{row['conditions']}",
        )
    (console or Console(highlight=False)).print(table)


def _best(results: Sequence[Row], key: str) -> float | None:
    values = [row[key] for row in results if row.get(key) is not None]
    return max(values) if METRICS[key].best and len(values) > 1 else None


def _noise(row: Row) -> str:
    return "–" if row.get("loss") is None else percent(row.get("noise_rate") or 0)


def _span(shown: Metric, row: Row) -> str:
    """Narrow, so that the table fits 80 columns."""
    ends = row.get(shown.interval) if shown.interval else None
    return f"{number(ends[0], shown.digits)}–{number(ends[1], shown.digits)}" if ends else ""
