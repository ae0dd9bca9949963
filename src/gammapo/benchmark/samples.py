"""The side file of all samples: a header line that names the run, then a line a prompt."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.types import Message

Prompt = tuple[Message, ...]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One sampled answer. `tokens` counts the end of the turn too; `score` is None until it is scored."""

    text: str
    finish_reason: str
    tokens: int
    score: float | None = None


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """A prompt with its answers, in the order in which they were drawn."""

    prompt: Prompt
    answers: tuple[Answer, ...]

    def as_row(self) -> dict[str, Any]:
        return {
            "prompt": [message.as_dict() for message in self.prompt],
            "answers": [asdict(answer) for answer in self.answers],
        }

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> Sampled:
        return Sampled(
            prompt=tuple(Message(**message) for message in row["prompt"]),
            answers=tuple(Answer(**answer) for answer in row["answers"]),
        )


class SampleFile:
    """Samples on disk, appended a batch at a time and flushed. A line cut by a kill is dropped when read.

    Args:
        path: the file; it need not exist.
        run: model, sampling and scorer. A file of another model or sampling is another run's.
        rescore: forget the stored scores; on disk they stay until `replace` has new ones.
        overwrite: drop another run's file.

    Raises:
        InputError: the file is another run's, or its scores are another scorer's and `rescore` is off.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, rescore: bool = False, overwrite: bool = False):
        self.path, self.run = path, dict(run)
        header, self._rows = _whole_lines(path)
        changed = [key for key in self.run if header is not None and header.get(key) != self.run[key]]
        if rescore and changed == ["scorer"]:
            changed = []
        if changed and overwrite:
            header, self._rows, changed = None, [], []
        if changed:
            fix = "repeat that run's options, name another output, or pass --overwrite to drop its samples"
            if changed == ["scorer"]:
                fix = "pass --rescore to score the same samples with another scorer"
            raise InputError(f"holds samples of a run with other {', '.join(changed)}", file=path, fix=fix)
        if rescore:
            self._rows = [
                replace(row, answers=tuple(replace(answer, score=None) for answer in row.answers))
                for row in self._rows
            ]
        if header is None:
            self._write()

    def read(self) -> dict[Prompt, Sampled]:
        """All whole rows by their prompt."""
        return {row.prompt: row for row in self._rows}

    def append(self, rows: Sequence[Sampled]) -> None:
        """Add rows and flush them to disk."""
        with files.writing(self.path), self.path.open("r+b") as out:
            content = out.read()
            out.truncate(content.rfind(b"\n") + 1)  # what follows the last newline was cut by a kill
            out.seek(0, os.SEEK_END)
            out.write("".join(_line(row.as_row()) for row in rows).encode())
            out.flush()
            os.fsync(out.fileno())
        self._rows += rows

    def replace(self, rows: Mapping[Prompt, Sampled]) -> None:
        """Write the file anew with these rows, whole or not at all."""
        self._rows = list(rows.values())
        self._write()

    def _write(self) -> None:
        files.write_jsonl(self.path, [self.run, *(row.as_row() for row in self._rows)])


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"


def _whole_lines(path: Path) -> tuple[dict[str, Any] | None, list[Sampled]]:
    if not path.is_file():
        return None, []
    lines = path.read_bytes().split(b"\n")[:-1]
    try:
        header, *rows = [json.loads(line) for line in lines]
        if not isinstance(header, dict) or "model" not in header:
            raise ValueError
        return header, [Sampled.from_row(row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "is no file of samples", file=path, fix="remove it, or name another output"
        ) from error
