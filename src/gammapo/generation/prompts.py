"""Sets of prompts: rows that ask (see `data.prompts`), pair files, or lines of text."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from gammapo import files
from gammapo.data.mixture import is_mixture
from gammapo.data.place import refuse_split
from gammapo.data.prompts import Asked, read_prompts
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
        path: a `.txt` or `.txt.gz` file (a prompt a line); rows with `instruction` (and `dataset`), such as
            AlpacaEval's, `prompt` or `messages`; or pairs. Rows and pairs come from any source that
            `data.load_pairs` reads, a hub id included.
        split: for a source with several splits; a single file has none.
        limit: the first so many.

    Raises:
        InputError: naming file, row and field; also for a set without prompts.
    """
    source, path = str(path), Path(path)
    if path.name.lower().endswith((".txt", ".txt.gz")):
        refuse_split(path, split)
        items = _from_lines(path)
    elif is_mixture(path) or (asked := read_prompts(source, split)) is None:
        items = _from_pairs(path, split, limit)
    else:
        items = [_asked(one, path.stem) for one in islice(asked, limit)]
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


def _asked(one: Asked, name: str) -> PromptItem:
    instruction = instruction_of(one.messages) if one.instruction is None else one.instruction
    return PromptItem(instruction=instruction, messages=one.messages, dataset=one.dataset or name)


def _from_pairs(path: Path, split: str | None, limit: int | None) -> list[PromptItem]:
    from gammapo import data

    pairs = data.load_pairs(str(path), split=split, limit=limit, on_bad="refuse").pairs
    name = path.name.split(".")[0]
    return [
        PromptItem(instruction=instruction_of(pair.prompt), messages=pair.prompt, dataset=name)
        for pair in pairs
    ]
