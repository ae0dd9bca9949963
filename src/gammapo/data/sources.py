"""Rows out of a source. Of files here: JSONL, JSON, Parquet, CSV; JSONL and Parquet as streams.

Rows come as (number, value): the line of a JSONL file, otherwise the row, both counted from 1. A row that
cannot be read at all comes as a RowError in place of its value, so that one broken line can be counted.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from gammapo.data.faults import RowError
from gammapo.data.hub import folder_rows, hub_rows
from gammapo.data.place import HUB_ID, Row, place_of, refuse_config, refuse_split
from gammapo.errors import InputError, first_line

SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
# columns of CSV that are never read as numbers
TEXT = ("id", "system", "prompt", "chosen", "rejected", "instruction", "output_1", "output_2")
ARROW = ("an Arrow file", "give the folder that `save_to_disk` wrote, or write it as Parquet")
UTF_16 = ("text in UTF-16", "write it as UTF-8")
GZIP = b"\x1f\x8b"
# first bytes of what cannot be read → what it is, and what to do
PACKED = {
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it with `zstd -d`, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it with `xz -d`, or compress it with gzip"),
    b"BZh": ("compressed by bzip2", "unpack it with `bzip2 -d`, or compress it with gzip"),
    b"PAR1": ("Parquet inside gzip", "unpack it with `gzip -d`: Parquet is compressed inside"),
    b"PK\x03\x04": ("a zip archive", "unpack it, and name the file inside"),
    b"ARROW1": ARROW,
    b"\xff\xff\xff\xff": ARROW,
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
}


def rows(source: str | Path, split: str | None = None) -> Iterator[Row]:
    """The rows of a file, a folder or a hub id, the last two with `:CONFIG` behind where they have several.

    Raises:
        InputError: nothing there, not readable, no such split, or a format that is not known.
    """
    name, config = place_of(source)
    path = Path(name)
    if name and path.is_dir():
        return folder_rows(path, config, split)
    if path.is_file():
        refuse_split(path, split)
        refuse_config(path, config)
        return _file(path)
    if HUB_ID.fullmatch(name) and not path.suffix.lower().startswith((*SUFFIXES, ".gz")):
        return hub_rows(name, config, split)
    if name and path.exists():
        raise InputError(
            "is a pipe or a device",
            file=source,
            expected="a file, as it is read more than once",
            fix="write what it gives to a file first",
        )
    raise InputError("no such file", file=source or "''", fix="check the path")


def _file(path: Path) -> Iterator[Row]:
    try:
        with path.open("rb") as probe:
            start = probe.read(6)
    except OSError as error:
        raise InputError(
            f"cannot be read: {error.strerror}", file=path, fix="check its permissions"
        ) from error
    if start.startswith(b"PAR1"):
        return _parquet(path)
    if start.startswith(GZIP):
        with suppress(OSError, EOFError, zlib.error), gzip.open(path) as stream:
            start = stream.read(6)
    for magic, (what, fix) in PACKED.items():
        if start.startswith(magic):
            raise InputError(
                f"is {what}", file=path, expected="JSON lines, JSON, CSV or Parquet; text as UTF-8", fix=fix
            )
    delimiter = DELIMITERS.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    return _json(path) if delimiter is None else _csv(path, delimiter)


def _json(path: Path) -> Iterator[Row]:
    """A JSON array, or else one object a line, gzip-compressed or not."""
    with _open_bytes(path) as stream:
        line, begun = 0, False
        try:
            for line, raw in enumerate(stream, start=1):
                if line == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if not raw.strip():
                    continue
                if not begun and raw.strip() == b"{":
                    raise InputError(
                        "is JSON over several lines",
                        file=path,
                        line=line,
                        expected="one JSON object a line, or a JSON array of objects",
                        fix="put each pair on a line: `jq -c . FILE`, or `jq -c '.data[]' FILE` of a list",
                    )
                if not begun and raw.lstrip()[:1] == b"[":
                    yield from _array(path, b"\n" * (line - 1) + raw + stream.read())  # lines count on
                    return
                begun = True
                yield line, _decoded(raw)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise InputError(
                "the gzip stream is cut short or damaged", file=path, line=line + 1, fix="copy the file again"
            ) from error


def _open_bytes(path: Path) -> Any:
    with path.open("rb") as probe:
        zipped = probe.read(2) == GZIP
    return gzip.open(path, "rb") if zipped else path.open("rb")


def _decoded(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        return RowError("not_utf8", f"byte {error.start + 1} of the line is not UTF-8", expected="UTF-8 text")
    except json.JSONDecodeError as error:
        fix = "repair or remove the line" if error.pos < len(raw) - 2 else "complete or remove the line"
        problem = f"broken JSON: {error.msg} at character {error.pos + 1}"
        return RowError("not_json", problem, expected="one JSON object a line", fix=fix)
    except (ValueError, RecursionError) as error:
        return RowError("not_json", f"JSON that cannot be read: {_beyond(error)}")


def _beyond(error: Exception) -> str:
    """What is too much for the JSON reader: an integer of over 4300 digits, or brackets in brackets."""
    return "it nests too deeply" if isinstance(error, RecursionError) else str(error).partition(";")[0]


def _array(path: Path, raw: bytes) -> Iterator[Row]:
    try:
        values = json.loads(raw.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"broken JSON: {error.msg}", file=path, line=error.lineno, fix="repair or recreate the file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"not readable as JSON: {_beyond(error)}", file=path, fix="recreate the file"
        ) from error
    yield from enumerate(values, start=1)


def _csv(path: Path, delimiter: str) -> Iterator[Row]:
    """Columns that should hold text are text, whatever they hold; the others are told by all their values."""
    import pyarrow
    import pyarrow.csv as csv

    try:
        with _open_bytes(path) as stream:  # told by its first bytes, where pyarrow goes by the name
            table = csv.read_csv(
                stream,
                parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=csv.ConvertOptions(column_types=dict.fromkeys(TEXT, pyarrow.string())),
            )
        _ = table.column_names  # which may be no UTF-8
    except (pyarrow.ArrowException, OSError, ValueError, EOFError, zlib.error) as error:
        if "Empty CSV file" in str(error):
            return
        raise InputError(
            f"not readable as CSV: {first_line(error)}",
            file=path,
            expected=f"a line of column names, then rows of as many values, with {delimiter!r} between them",
            fix="mend the file, or give the pairs as JSON lines",
        ) from error
    number = 0
    for batch in table.to_batches(max_chunksize=1024):
        for row in batch.to_pylist():
            number += 1
            yield number, row


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet as parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as table:
            for batch in table.iter_batches(batch_size=1024):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"not readable as Parquet: {first_line(error)}",
            file=path,
            line=number + 1 if number else None,
            fix="copy or recreate the file",
        ) from error
