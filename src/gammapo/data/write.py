"""Pairs to a file: JSON lines in the conversational shape that this project, TRL and `datasets` all read."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
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
        InputError: the file exists and `overwrite` is False, or it cannot be written there.
        RunError: the disk is full or failing.
    """
    path = Path(path)
    if not overwrite:
        files.refuse_existing(path)
    with files.staged(path) as temporary, _opened(temporary, zipped=path.suffix == ".gz") as out:
        for pair in pairs:
            row = {**as_row(pair), **(extra or {})}
            out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
    return path


@contextmanager
def _opened(path: Path, *, zipped: bool) -> Iterator[IO[str]]:
    """A text file to write, which is on disk when the block ends."""
    if not zipped:
        with path.open("w", encoding="utf-8") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        return
    # no name and no time inside, so that equal pairs give equal bytes
    with path.open("wb") as raw:  # which GzipFile would leave open, and its last bytes with it
        packed = gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=6, mtime=0)
        with io.TextIOWrapper(packed, encoding="utf-8") as out:
            yield out
        raw.flush()
        os.fsync(raw.fileno())
