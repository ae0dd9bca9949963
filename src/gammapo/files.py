"""Reading and writing files so that nothing is torn, lost or overwritten silently."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from gammapo.errors import InputError


def open_text(path: str | Path) -> IO[str]:
    """Open a text file for reading, gzip-compressed or not (told by its first bytes, not by its name)."""
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", file=path, fix="check the path")
    with path.open("rb") as probe:
        zipped = probe.read(2) == b"\x1f\x8b"
    if zipped:
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")


def write_text(path: str | Path, text: str, *, overwrite: bool = True) -> Path:
    """Write whole or not at all: a temporary file beside the target, flushed to disk, then renamed."""
    path = Path(path)
    if not overwrite:
        refuse_existing(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def write_json(path: str | Path, value: Any, *, overwrite: bool = True) -> Path:
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    return write_text(path, text + "\n", overwrite=overwrite)


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]], *, overwrite: bool = True) -> Path:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return write_text(path, "".join(lines), overwrite=overwrite)


def read_json(path: str | Path) -> Any:
    with open_text(path) as source:
        text = source.read()
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}", file=path, line=error.lineno, fix="repair or recreate the file"
        ) from error


def refuse_existing(path: str | Path) -> None:
    """Raise InputError if `path` exists, so that no result is overwritten unasked."""
    if Path(path).exists():
        raise InputError("already exists", file=path, fix="name another output, or pass --overwrite")


def sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
