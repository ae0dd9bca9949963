"""Rows out of files: JSONL, JSON, Parquet, CSV, `datasets` folders and hub ids; JSONL and Parquet as streams.

Rows come as (number, value): the line of a JSONL file, otherwise the row, both counted from 1. A row that
cannot be read at all comes as a RowError in place of its value, so that one broken line can be counted.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gammapo.data.faults import RowError
from gammapo.errors import InputError

Row = tuple[int, Any]
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SUFFIXES = (".jsonl", ".json", ".parquet", ".csv", ".tsv")
DELIMITERS = {".csv": ",", ".tsv": "\t"}
# columns of CSV that are never read as numbers
TEXT = ("id", "system", "prompt", "chosen", "rejected", "instruction", "output_1", "output_2")
ARROW = ("an Arrow file", "give the folder that `save_to_disk` wrote, or write it as Parquet")
UTF_16 = ("text in UTF-16", "write it as UTF-8")
# first bytes of what cannot be read → what it is, and what to do
PACKED = {
    b"\x28\xb5\x2f\xfd": ("compressed by zstd", "unpack it with `zstd -d`, or compress it with gzip"),
    b"\xfd7zXZ": ("compressed by xz", "unpack it with `xz -d`, or compress it with gzip"),
    b"BZh": ("compressed by bzip2", "unpack it with `bzip2 -d`, or compress it with gzip"),
    b"PK\x03\x04": ("a zip archive", "unpack it, and name the file inside"),
    b"ARROW1": ARROW,
    b"\xff\xff\xff\xff": ARROW,
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
}


def rows(source: str | Path, split: str | None = None) -> Iterator[Row]:
    """The rows of a file, a folder or a hub id.

    Raises:
        InputError: nothing there, not readable, no such split, or a format that is not known.
    """
    path = Path(source)
    if path.is_dir():
        return _folder(path, split)
    if path.is_file():
        _refuse_split(path, split)
        return _file(path)
    if HUB_ID.fullmatch(str(source)) and not path.suffix.lower().startswith((*SUFFIXES, ".gz")):
        return _hub(str(source), split)
    raise InputError("no such file", file=source, fix="check the path")


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
        zipped = probe.read(2) == b"\x1f\x8b"
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
        return RowError("not_json", f"JSON that cannot be read: {type(error).__name__}")


def _array(path: Path, raw: bytes) -> Iterator[Row]:
    try:
        values = json.loads(raw.decode("utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"broken JSON: {error.msg}", file=path, line=error.lineno, fix="repair or recreate the file"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"not readable as JSON: {error}", file=path, fix="recreate the file") from error
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
            f"not readable as CSV: {_first_line(error)}",
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
            f"not readable as Parquet: {str(error).splitlines()[0]}",
            file=path,
            line=number + 1 if number else None,
            fix="copy or recreate the file",
        ) from error


def _refuse_split(path: Path, split: str | None) -> None:
    if split not in (None, "train"):
        raise InputError(
            f"a single file has no split {split!r}",
            file=path,
            field="split",
            fix="leave the split out, or name the file that holds that split",
        )


def _folder(path: Path, split: str | None) -> Iterator[Row]:
    """A folder written by `datasets.save_to_disk`, or one of data files."""
    _refuse_escapes(path)
    import datasets

    if (path / "dataset_dict.json").is_file():
        splits = datasets.load_from_disk(str(path))
        return _table(_pick(splits, split, path))
    if (path / "state.json").is_file():
        _refuse_split(path, split)
        return _table(datasets.load_from_disk(str(path)))
    return _hub(str(path), split)


def _refuse_escapes(path: Path) -> None:
    """A link in the folder that leads out of it would read what was not given."""
    root = path.resolve()
    allowed = [root]
    if root.parent.name == "snapshots":  # the hub's cache: a snapshot is links to the repository's blobs
        allowed.append(root.parent.parent / "blobs")
    for entry in path.rglob("*"):
        if entry.is_symlink() and not any(entry.resolve().is_relative_to(place) for place in allowed):
            raise InputError(
                "is a link that leads out of the given folder",
                file=entry,
                expected="data files inside the folder",
                fix="copy the file into the folder, or give its own path",
            )


def _hub(name: str, split: str | None) -> Iterator[Row]:
    """A hub id, or a folder of data files, through `datasets.load_dataset`."""
    import datasets

    fix = "check the name and the connection, or give a local file or folder"
    try:
        found = datasets.load_dataset(name, split=split)
    except ValueError as error:
        raise InputError(_first_line(error), file=name, field="split" if split else None, fix=fix) from error
    except Exception as error:  # the hub client raises many kinds; none of them is a fault of ours
        raise InputError(f"cannot be loaded: {_first_line(error)}", file=name, fix=fix) from error
    return _table(found if split else _pick(found, None, name))


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _pick(splits: Any, split: str | None, place: str | Path) -> Any:
    known = list(splits)
    if split is None and len(known) == 1:
        return splits[known[0]]
    if split in known:
        return splits[split]
    raise InputError(
        "holds several splits" if split is None else f"no split {split!r}",
        file=place,
        field="split",
        expected="one of " + ", ".join(known),
        fix="name the split",
    )


def _table(dataset: Any) -> Iterator[Row]:
    yield from enumerate(dataset, start=1)
