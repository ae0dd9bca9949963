"""Sets of prompts: AlpacaEval-style instructions, pair files, or lines of text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.types import Message


@dataclass(frozen=True, kw_only=True)
class PromptItem:
    """One prompt. `instruction` names it in outputs files: the user's text, or a transcript of many turns."""

    instruction: str
    messages: tuple[Message, ...]
    dataset: str


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """Prompts in the order of their source."""

    source: str
    items: tuple[PromptItem, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all prompts, in order."""
        digest = hashlib.sha256()
        for item in self.items:
            digest.update(json.dumps([message.as_dict() for message in item.messages]).encode() + b"\n")
        return digest.hexdigest()


def load_prompts(path: str | Path, *, split: str | None = None, limit: int | None = None) -> PromptSet:
    """Read a set of prompts; its kind is told by its name and its first row.

    Args:
        path: a `.txt` or `.txt.gz` file (a prompt a line); JSON or JSONL rows with `instruction` (and
            `dataset`), such as AlpacaEval's; or any source of pairs that `data.load_pairs` reads, a hub id
            included.
        split: for a source of pairs with several splits; a set of instructions has none.
        limit: the first so many.

    Raises:
        InputError: naming file, row and field; also for a set without prompts.
    """
    path = Path(path)
    if path.name.lower().endswith((".txt", ".txt.gz")):
        items = _from_lines(path)
    elif (rows := _instruction_rows(path)) is not None:
        items = [_from_row(row, path, number) for number, row in enumerate(rows, 1)]
    else:
        items = _from_pairs(path, split, limit)
    if path.is_file() and split not in (None, "train"):  # of pairs it was refused while they were read
        raise InputError(
            f"a single file has no split {split!r}",
            file=path,
            field="split",
            fix="leave the split out, or name the file that holds that split",
        )
    if not items:
        raise InputError("holds no prompt", file=path, expected="at least one")
    return PromptSet(source=str(path), items=tuple(items[:limit]))


def instruction_of(messages: Sequence[Message]) -> str:
    """The user's text of a one-turn prompt; of any other, a transcript."""
    if len(messages) == 1 and messages[0].role == "user":
        return messages[0].content
    return "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in messages)


def _from_lines(path: Path) -> list[PromptItem]:
    with files.open_text(path) as source:
        texts = [line.strip() for line in source]
    name = re.sub(r"(?i)\.txt(\.gz)?$", "", path.name)
    return [_single(text, name) for text in texts if text]


def _single(text: str, dataset: str) -> PromptItem:
    return PromptItem(instruction=text, messages=(Message(role="user", content=text),), dataset=dataset)


def _instruction_rows(path: Path) -> list[Any] | None:
    """The rows of a JSON or JSONL file whose first row has an instruction and is no pair; else None."""
    if not path.is_file() or ".json" not in path.name.lower():
        return None
    with files.open_text(path) as source:
        lines = ((number, line) for number, line in enumerate(source, 1) if line.strip())
        _, first = next(lines, (1, ""))
        try:
            row = json.loads(first)
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict):
            rows = [row, *(_json_line(line, path, number) for number, line in lines)]
        else:
            rows = files.read_json(path)
    if isinstance(rows, list) and rows and isinstance(rows[0], dict):
        known = rows[0].keys()
        if "instruction" in known and not {"chosen", "output_1"} & known:
            return rows
    return None


def _json_line(line: str, path: Path, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        problem = getattr(error, "msg", error)
        raise InputError(
            f"not valid JSON: {problem}", file=path, line=number, fix="mend or remove the line"
        ) from error


def _from_row(row: Any, path: Path, number: int) -> PromptItem:
    instruction = row.get("instruction") if isinstance(row, dict) else None
    if not isinstance(instruction, str) or not instruction.strip():
        raise InputError(
            "the row has no instruction" if instruction is None else f"got {str(instruction)[:40]!r}",
            file=path,
            line=number,
            field="instruction",
            expected="text",
            fix="complete or drop the row",
        )
    extra = row.get("input")
    if isinstance(extra, str) and extra.strip() and extra.strip() not in instruction:
        raise InputError(
            "the row has an input beside its instruction, which would go unread",
            file=path,
            line=number,
            field="input",
            expected="the whole prompt in instruction",
            fix="append the input to the instruction",
        )
    dataset = str(row.get("dataset") or path.stem)
    messages = row.get("messages")
    if messages is None:
        item = _single(instruction, dataset)
    else:
        item = PromptItem(instruction=instruction, messages=_turns(messages, path, number), dataset=dataset)
    turns = "".join(message.role + message.content for message in item.messages)
    texts = {"instruction": instruction, "messages": turns, "dataset": dataset}
    files.refuse_half_characters(texts, path, number)
    return item


def _turns(messages: Any, path: Path, number: int) -> tuple[Message, ...]:
    try:
        turns = tuple(Message(role=turn["role"], content=turn["content"]) for turn in messages)
    except (TypeError, KeyError):
        turns = ()
    if not turns or not all(isinstance(turn.role, str) and isinstance(turn.content, str) for turn in turns):
        raise InputError(
            "not a message list",
            file=path,
            line=number,
            field="messages",
            expected='at least one object {"role": …, "content": …} with text in both',
            fix="mend the list, or leave it out where the instruction is the whole prompt",
        )
    return turns


def _from_pairs(path: Path, split: str | None, limit: int | None) -> list[PromptItem]:
    from gammapo import data

    pairs = data.load_pairs(str(path), split=split, limit=limit).pairs
    name = path.name.split(".")[0]
    return [
        PromptItem(instruction=instruction_of(pair.prompt), messages=pair.prompt, dataset=name)
        for pair in pairs
    ]
