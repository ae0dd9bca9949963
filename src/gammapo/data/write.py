"""Pairs to a file: JSON lines in the conversational shape that this project, TRL and `datasets` all read."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from gammapo import files
from gammapo.types import PreferencePair


def as_row(pair: PreferencePair) -> dict[str, Any]:
    """The pair as a row of shape `messages`; scores only where known."""
    row: dict[str, Any] = {
        "id": pair.id,
        "prompt": [message.as_dict() for message in pair.prompt],
        "chosen": [{"role": "assistant", "content": pair.chosen}],
        "rejected": [{"role": "assistant", "content": pair.rejected}],
    }
    if pair.chosen_score is not None or pair.rejected_score is not None:
        row |= {"score_chosen": pair.chosen_score, "score_rejected": pair.rejected_score}
    return row


def write_pairs(
    path: str | Path,
    pairs: Iterable[PreferencePair],
    *,
    overwrite: bool = False,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write pairs to a JSONL file (gzip-compressed if its name ends in .gz), whole or not at all.

    Pairs are written one at a time, so a generator of a million takes no memory. `extra` columns are put
    into every row.

    Raises:
        InputError: the file exists and `overwrite` is False.
    """
    path = Path(path)
    if not overwrite:
        files.refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _open(temporary, zipped=path.suffix == ".gz") as out:
            for pair in pairs:
                row = {**as_row(pair), **(extra or {})}
                out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _open(path: Path, *, zipped: bool) -> IO[str]:
    if zipped:  # no name and no time inside, so that equal pairs give equal bytes
        stream = gzip.GzipFile(filename="", mode="wb", fileobj=path.open("wb"), compresslevel=6, mtime=0)
        return io.TextIOWrapper(stream, encoding="utf-8")
    return path.open("w", encoding="utf-8")
