"""What verbs share: progress to stderr, results to stdout as a table or as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import typer
from rich.console import Console
from rich.table import Table


class Format(StrEnum):
    """How a verb prints its result."""

    table = "table"
    json = "json"


UNBOUNDED = 10_000  # characters


def _plain(**settings: Any) -> Console:
    """A console to which text is text: brackets and colons are the user's, never markup or emoji.

    Colour comes by `style=` or as a `rich.text.Text`.
    """
    return Console(markup=False, emoji=False, highlight=False, **settings)


stderr = _plain(stderr=True, soft_wrap=True)  # lines are never broken: a path can be copied from a log


def stdout() -> Console:
    """The console for results; made for each use, as it depends on where stdout leads at the time."""
    console = _plain()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUNDED  # a file or a pipe gets whole rows, as long as they are
    return console


def print_json(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], title: str | None = None) -> None:
    """A plain table on stdout; numbers are aligned right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) or row[index] is None for row in rows)
        table.add_column(column, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    stdout().print(table)


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the time left; the function it gives takes (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    words = TextColumn("{task.description}", markup=False)
    columns = (words, BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def given(context: typer.Context) -> set[str]:
    """Names of the options that the command line holds."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def flags(context: typer.Context) -> dict[str, str]:
    """How each option is written on the command line, by its name in Python; of two ways the first."""
    return {str(one.name): one.opts[0] for one in context.command.params}
