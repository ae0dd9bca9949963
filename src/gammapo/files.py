"""Reading and writing files so that nothing is torn, lost or overwritten silently."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from gammapo.errors import InputError, RunError

HALF = re.compile("[\ud800-\udfff]")  # of a character: a surrogate by itself


@contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a text file for reading, gzip-compressed or not (told by its first bytes, not by its name).

    A byte-order mark at its beginning is no part of the text.

    Raises:
        InputError: no such file, or, while it is read, no UTF-8, a gzip stream cut short, or no right to it.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "no such file"
        raise InputError(what, file=path, expected="a file", fix="check the path")
    try:
        with path.open("rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        encoding = "utf-8-sig"
        with gzip.open(path, "rt", encoding=encoding) if zipped else path.open(encoding=encoding) as source:
            yield source
    except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
        raise InputError(
            f"cannot be read as text: {error}",
            file=path,
            expected="UTF-8, plain or gzipped",
            fix="check that this is the right file, and whole",
        ) from error


def split_lines(text: str) -> list[str]:
    """The lines of a text, without their ends. A text file is read by iterating; this is for text in memory.

    `str.splitlines` will not do for JSON lines: it also splits at U+2028, U+0085 and their like, which stand
    inside JSON's strings as they are.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def write_text(path: str | Path, text: str, *, overwrite: bool = True) -> Path:
    """Write whole or not at all: a temporary file beside the target, flushed to disk, then renamed."""
    path = Path(path)
    if not overwrite:
        refuse_existing(path)
    with staged(path) as temporary:
        _fill(temporary, text, named=path)
    return path


@contextmanager
def staged(path: str | Path) -> Iterator[Path]:
    """A temporary file beside `path` for the block to write and flush; it becomes `path` when the block ends.

    If anything fails, what stood at `path` stays, and nothing else is left.

    Raises:
        InputError: a place that cannot be written to, such as a folder; it names `path`.
        RunError: the disk is full or failing.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with writing(path):
            if path.is_dir():  # said now, not when other files have been put in place
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Name `path` where the block cannot write to it: the system names no file when a disk is full.

    Raises:
        InputError, RunError: as `staged`.
    """
    try:
        yield
    except OSError as error:
        raise _unwritable(Path(path), error) from error


@contextmanager
def json_last(path: str | Path, value: Any, *, overwrite: bool = True) -> Iterator[None]:
    """Write a record of what the block writes: on disk before it, in its place at `path` after it.

    So neither file replaces an old one unless there is room for both.
    """
    if not overwrite:
        refuse_existing(path)
    with staged(path) as temporary:
        _fill(temporary, _json_text(value), named=Path(path))
        yield


def _fill(place: Path, text: str, *, named: Path) -> None:
    """Write `text` to `place` and flush it; an error names the file that it is to become."""
    try:
        with place.open("w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
    except UnicodeEncodeError as error:
        raise InputError(
            "half a character (a lone surrogate) would have to be written, which no file can hold",
            file=named,
            fix="remove it from what this is made of: a text was cut in the middle of a character",
        ) from error


def _unwritable(path: Path, error: OSError) -> InputError | RunError:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return RunError(f"{path}: no space is left to write it ({reason}); make some and run again")
    if error.errno == errno.EIO:
        return RunError(f"{path}: the disk failed while it was written ({reason})")
    return InputError(f"cannot be written: {reason}", file=path, fix="name a place that you may write to")


def write_json(path: str | Path, value: Any, *, overwrite: bool = True) -> Path:
    return write_text(path, _json_text(value), overwrite=overwrite)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]], *, overwrite: bool = True) -> Path:
    lines = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    return write_text(path, "".join(lines), overwrite=overwrite)


def read_json(path: str | Path) -> Any:
    with open_text(path) as source:
        text = source.read()
    if not text.strip():
        raise InputError("is empty", file=path, expected="JSON", fix="check that this is the right file")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not valid JSON: {error.msg}", file=path, line=error.lineno, fix="repair or recreate the file"
        ) from error
    except ValueError as error:  # an integer of more than 4300 digits
        raise InputError(
            f"cannot be read: {str(error).partition(';')[0]}", file=path, expected="JSON that holds data"
        ) from error
    except RecursionError as error:
        raise InputError(
            "nests too deeply to be read", file=path, expected="JSON", fix="check that this is the right file"
        ) from error


def read_yaml(path: str | Path) -> Any:
    """The content of a YAML (or JSON) file; None where it is empty."""
    from gammapo import strict_yaml

    with open_text(path) as source:
        text = source.read()
    try:
        return strict_yaml.parse(text)
    except InputError as error:
        raise error.inside(path) from error


def refuse_half_characters(texts: Mapping[str, str], file: str | Path, line: int | None) -> None:
    """Raise InputError for the first text, named by its field, that holds a lone surrogate."""
    for field, text in texts.items():
        if HALF.search(text):
            raise InputError(
                "holds half a character (a lone surrogate), which neither a model nor a file can be given",
                file=file,
                line=line,
                field=field,
                expected="whole characters",
                fix="remove it: the text was cut in the middle of a character",
            )


def refuse_existing(path: str | Path) -> None:
    """Raise InputError if `path` exists, so that no result is overwritten unasked."""
    if Path(path).exists():
        raise InputError("already exists", file=path, fix="name another output, or pass --overwrite")


def refuse_input(path: str | Path, sources: Iterable[str | Path]) -> None:
    """Raise InputError if writing `path` would replace one of the files, or add to one of the folders, that
    its content is made from. A source that is no path on this machine (a hub id, "") is passed over."""
    path = Path(path)
    for source in map(Path, filter(None, sources)):
        same = source.exists() and path.exists() and path.samefile(source)
        if same or (source.is_dir() and source.resolve() in path.resolve().parents):
            raise InputError(
                f"is the input {source}, or lies in it",
                file=path,
                expected="an output of its own, so that the input stays as it is",
                fix="name another output",
            )


def refuse_other_than_jsonl(path: str | Path) -> None:
    """Raise InputError if the name of an output of JSON lines promises another format, or none."""
    name = Path(path).name
    if not name.endswith((".jsonl", ".jsonl.gz")):
        raise InputError(
            "JSON lines would be written, and the name says otherwise",
            file=path,
            expected="a name that ends in .jsonl, or in .jsonl.gz for gzip compression",
            fix="name the output so",
        )


def sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as source:
        while block := source.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
