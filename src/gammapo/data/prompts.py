"""Rows that only ask: prompts without labelled answers, as `gammapo generate` and `sample-pairs` take them.

| column | holds |
|---|---|
| `instruction` | text; `messages` beside it are the turns that it stands for |
| `prompt` | text, a message list, or an HH-RLHF transcript up to "\\n\\nAssistant:" |
| `messages` | a message list that ends with the user's turn |

The first of them that the first row has is read of every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from gammapo.data.conversations import QUESTION, messages, refuse_unread, refuse_unread_columns, text
from gammapo.data.faults import RowError
from gammapo.data.foreign import asking_column
from gammapo.data.shapes import QUOTED, prompt_of, quoted_list, refuse_unanswerable, waiting, with_system
from gammapo.data.sources import rows
from gammapo.types import Message

COLUMNS = ("instruction", "prompt", "messages")
ANSWERS = {"chosen", "rejected", "output_1", "output_2"}  # a row with one of them is a pair


class Asked(NamedTuple):
    """What one row asks. `instruction` is its text of that name; None where it has no such column."""

    messages: tuple[Message, ...]
    instruction: str | None
    dataset: str | None


def read_prompts(source: str | Path, split: str | None = None) -> Iterator[Asked] | None:
    """The prompts of a file, folder or hub id, one at a time; None if its first row is a pair.

    Raises:
        InputError: naming file, line and field; the source cannot be read, or a row is no prompt.
    """
    read = rows(source, split)
    first = next(read, None)
    if first is None:
        return iter(())
    if isinstance(first[1], dict) and ANSWERS & first[1].keys():
        return None
    return _read(source, chain([first], read), first[1])


def _read(source: str | Path, read: Iterator[tuple[int, Any]], first: Any) -> Iterator[Asked]:
    column, transcripts = None, False
    for line, row in read:
        try:
            if isinstance(row, RowError):
                raise row
            if not isinstance(row, dict):
                raise RowError(
                    "not_object",
                    f"the row is {type(row).__name__}",
                    expected='an object, as {"prompt": …}',
                    fix="write each prompt so, or one a line in a file named .txt",
                )
            if row is first:
                column = _column(row)
                transcripts = column == "prompt" and QUESTION.fullmatch(str(row["prompt"])) is not None
            asked = parse_prompt(row, str(column), transcripts=transcripts)
        except RowError as fault:
            if fault.reason == "not_json" and row is first:
                fault.fix = "repair the line; a file that holds a prompt a line is to be named .txt"
            raise fault.at(source, line) from None
        yield asked


def _column(row: Mapping[str, Any]) -> str:
    found = next((name for name in COLUMNS if name in row), None)
    if found is None:
        other = asking_column(row)
        raise RowError(
            "missing_column",
            f"no column of prompts among {', '.join(map(str, row)) or 'none'}",
            expected="instruction, prompt or messages; or pairs (prompt, chosen, rejected)",
            fix=f"rename the column {other!r} to prompt"
            if other
            else "rename the column that holds them to prompt, or to messages if it holds conversations",
        )
    return found


def parse_prompt(row: Mapping[str, Any], column: str, *, transcripts: bool = False) -> Asked:
    """What a row asks in that column, checked.

    Args:
        transcripts: whether a prompt that is an HH-RLHF transcript is read as its turns.

    Raises:
        RowError: what is wrong with it.
    """
    if column not in row:
        raise RowError(
            "missing_column",
            f"no column {column!r} among {', '.join(map(str, row)) or 'none'}",
            field=column,
            expected="the column that the first row has",
            fix="complete or drop the row",
        )
    instruction, turns_in = None, column
    if column == "instruction":
        instruction = text(row[column], column)
        turns = (Message(role="user", content=instruction),)
        refuse_unanswerable(turns, column)
        if row.get("messages") is not None:
            turns, turns_in = messages(row["messages"], "messages"), "messages"
    elif column == "messages":
        turns = messages(row[column], column)
    elif isinstance(row[column], str) and QUOTED.fullmatch(row[column]):
        raise quoted_list(column)
    elif transcripts and isinstance(row[column], str) and QUESTION.fullmatch(row[column]):
        turns = waiting(row[column])
    else:
        turns = prompt_of(row)
    refuse_unanswerable(turns, turns_in)
    refuse_unread(row.get(turns_in), turns_in)
    refuse_unread_columns(row)
    _refuse_input(row, turns[-1].content, column)
    dataset = row.get("dataset")
    return Asked(with_system(row, turns), instruction, text(str(dataset), "dataset") if dataset else None)


def _refuse_input(row: Mapping[str, Any], asked: str, column: str) -> None:
    """An input beside the instruction, as in the Alpaca training set, is a part of the prompt."""
    extra = row.get("input")
    if isinstance(extra, str) and extra.strip() and extra.strip() not in asked:
        raise RowError(
            "not_read",
            f"the row has an input beside its {column}, which would go unread",
            field="input",
            expected=f"the whole prompt in {column}",
            fix=f"append the input to the {column}",
        )
