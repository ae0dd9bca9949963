"""Reading the rows of a benchmark: one object a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import open_text, read_json
from gammapo.report import robustness

STATISTICS = "statistics.json"
FILES = ("results.jsonl", "results.json", "results.parquet")


def read_benchmark(folder: str | Path) -> list[dict[str, Any]]:
    """The rows of a benchmark folder.

    Raises:
        InputError: none of the known files, or rows that cannot be used.
    """
    path = next((Path(folder) / name for name in FILES if (Path(folder) / name).is_file()), None)
    if path is None:
        raise InputError("no benchmark results here", file=folder, expected=" or ".join(FILES))
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(path).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"cannot be read as Parquet: {error}", file=path, fix="run `gammapo bench` again"
            ) from error
    elif path.suffix == ".json":
        rows = read_json(path)
    else:
        rows = _lines(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError("holds no list of runs", file=path, expected="one object a run")
    robustness.check_rows(rows, path)
    return rows


def read_failures(folder: str | Path) -> list[dict[str, Any]]:
    """The failed runs that `gammapo bench` noted beside its rows; none where it noted nothing.

    Raises:
        InputError: a failure that does not say which run it was.
    """
    path = Path(folder) / STATISTICS
    noted = read_json(path) if path.is_file() else {}
    failures = noted.get("failures", []) if isinstance(noted, dict) else []
    for one in failures:
        for key in (*robustness.KEYS, "error"):
            if not isinstance(one, dict) or key not in one:
                raise InputError(
                    "is missing in a failure", file=path, field=key, fix="run `gammapo bench` again"
                )
    return failures


def _lines(path: Path) -> list[Any]:
    rows = []
    with open_text(path) as source:
        for index, line in enumerate(source, 1):
            try:
                rows += [json.loads(line)] if line.strip() else []
            except json.JSONDecodeError as error:
                raise InputError(
                    f"not valid JSON: {error.msg}", file=path, line=index, fix="run `gammapo bench` again"
                ) from error
    return rows
