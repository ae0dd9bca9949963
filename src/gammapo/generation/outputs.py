"""Writing `model_outputs.json` so that a killed run goes on where it stood."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError, RunError
from gammapo.generation.identity import settings, written
from gammapo.generation.prompts import PromptItem, PromptSet
from gammapo.generation.spec import Backend, Progress, RefusedError, Sampling
from gammapo.types import Generation, Message

TELL = 5  # refused prompts named


def write_outputs(
    prompts: PromptSet,
    backend: Backend,
    sampling: Sampling,
    out: str | Path,
    *,
    generator: str | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Answer every prompt once; write the answers in AlpacaEval's format, in the order of the prompts.

    Answers go to a side file as they come and are flushed to disk; a later call with the same prompts,
    model, backend and sampling takes them from there. The side file is removed once `out` is whole.

    Args:
        out: the outputs file; the side file lies beside it as `.NAME.partial.jsonl`.
        generator: the name that the answers carry; None takes the backend's.
        overwrite: replace an existing `out`, and drop a side file of another run.

    Returns:
        The rows: `dataset`, `instruction`, `output`, `generator`, `finish_reason`, and `messages` where the
        prompt is another than the instruction as one user turn.

    Raises:
        InputError: `out` exists or is a folder; the side file is another run's; more than one answer a
            prompt is asked.
        RunError: the backend failed, or refused some prompts after it had answered all others; what came is
            kept in the side file.
    """
    out = Path(out)
    if sampling.n != 1:
        raise InputError(
            f"got {sampling.n}", field="n", expected="1: an outputs file holds one answer a prompt"
        )
    if out.is_dir():  # said now, not when all is answered
        raise InputError("is a folder", file=out, expected="a file", fix="name a file in it")
    if not overwrite:
        files.refuse_existing(out)
    name = generator or backend.name
    run = {"prompts": prompts.fingerprint, "model": _version(backend.name), **asdict(sampling)}
    run |= settings(backend)
    side = SideFile(out.with_name(f".{out.name}.partial.jsonl"), run, overwrite=overwrite)
    missing = [index for index in range(len(prompts.items)) if index not in side.answers]
    known = len(side.answers)
    with side:
        try:
            backend.generate(
                [prompts.items[index].messages for index in missing],
                sampling,
                progress=(lambda done, _: progress(known + done, len(prompts.items))) if progress else None,
                on_result=lambda place, answers: side.append(missing[place], answers[0]),
            )
        except RefusedError as error:
            refused = {missing[place]: why for place, why in error.refused.items()}
            raise _incomplete(prompts, refused, side.path) from error
    rows = [_row(item, side.answers[index], name) for index, item in enumerate(prompts.items)]
    files.write_json(out, rows, overwrite=True)
    side.path.unlink(missing_ok=True)
    return rows


def _version(model: str) -> str:
    """The model's name; for a folder also when it was last written."""
    when = written(model)
    return model if when is None else f"{model} written {when}"


def _incomplete(prompts: PromptSet, refused: dict[int, Exception], side: Path) -> RunError:
    """Which prompts have no answer, and why; rows counted from 1."""
    rows = sorted(refused)
    named = ", ".join(f"{row + 1} ({prompts.items[row].instruction[:40]!r})" for row in rows[:TELL])
    return RunError(
        f"{len(rows)} of {len(prompts.items)} prompts of {prompts.source} were refused: row {named}"
        f"{', …' if len(rows) > TELL else ''}. The first because: {refused[rows[0]]}. No outputs file is "
        f"written, as it would not be whole; all other answers are kept in {side}, and the same command asks "
        "only for the rest, once the server takes them"
    )


def _row(item: PromptItem, answer: dict[str, Any], generator: str) -> dict[str, Any]:
    row = {
        "dataset": item.dataset,
        "instruction": item.instruction,
        "output": answer["output"],
        "generator": generator,
        "finish_reason": answer["finish_reason"],
    }
    if item.messages != (Message(role="user", content=item.instruction),):
        row["messages"] = [message.as_dict() for message in item.messages]
    return row


class SideFile:
    """Answers of an unfinished run: a header line that names the run, then a line an answer.

    A line cut by a kill is dropped when the file is read again. A file of an older gammapo does not say which
    backend and dtype drew its answers; it is gone on with if all that it does say agrees, as its answers may
    have been paid for.

    Raises:
        InputError: the file is another run's and `overwrite` is off.
    """

    def __init__(self, path: Path, run: dict[str, Any], *, overwrite: bool = False):
        self.path = path
        self.answers: dict[int, dict[str, Any]] = {}
        whole = _whole_lines(path)
        changed = _changed(whole[0], run) if whole else []
        # a run that never got an answer, as at a wrong address, holds no other up
        if changed and not overwrite and any(map(_is_answer, whole[1:])):
            raise InputError(
                f"holds the answers of an unfinished run with other {', '.join(changed)}",
                file=path,
                fix="repeat that run's options to finish it, or pass --overwrite to drop its answers",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        if whole and not changed:
            self.answers = {line["index"]: line for line in whole[1:] if _is_answer(line)}
        lines = [run, *self.answers.values()]
        files.write_jsonl(path, lines)  # without the cut line, so that the next one starts afresh

    def __enter__(self):
        self._out = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        self._out.close()

    def append(self, index: int, answer: Generation) -> None:
        line = {"index": index, "output": answer.text, "finish_reason": answer.finish_reason}
        self.answers[index] = line
        with files.writing(self.path):
            self._out.write(json.dumps(line) + "\n")
            self._out.flush()
            os.fsync(self._out.fileno())


def _changed(header: dict[str, Any], run: dict[str, Any]) -> list[str]:
    """The keys in which two runs differ; those that an older header lacks are no difference."""
    keys = header.keys() | run.keys() if "backend" in header else header.keys()
    return sorted(key for key in keys if header.get(key) != run.get(key))


def _is_answer(line: dict[str, Any]) -> bool:
    kinds = {"index": int, "output": str, "finish_reason": str}
    return all(isinstance(line.get(key), kind) for key, kind in kinds.items())


def _whole_lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:  # what follows the last newline was cut
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return [line for line in found if isinstance(line, dict)]
