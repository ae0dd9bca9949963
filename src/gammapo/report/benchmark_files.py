"""Reading the rows of a benchmark: one object a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import open_text, read_json
from gammapo.report import robustness
from gammapo.report.benchmark import MEASURES
from gammapo.report.charts.base import finite
from gammapo.report.results import Row

STATISTICS = "statistics.json"
AGAIN = "run `gammapo bench` again"
CELL = ("world", "noise", "rate", "loss")  # what says which runs a cell is the mean of
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
            raise InputError(f"cannot be read as Parquet: {error}", file=path, fix=AGAIN) from error
    elif path.suffix == ".json":
        rows = read_json(path)
    else:
        rows = _lines(path)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputError("holds no list of runs", file=path, expected="one object a run")
    robustness.check_rows(rows, path)
    return rows


def read_statistics(folder: str | Path, rows: Sequence[Row]) -> dict[str, Any]:
    """What `gammapo bench` noted beside its rows, as options of `benchmark_page`; empty if it noted nothing.

    Raises:
        InputError: a title, command or baseline that is no text; a cell or a failure that does not say which
            run it is of; a cell of a loss without a row, or whose measures are no numbers.
    """
    path = Path(folder) / STATISTICS
    if not path.is_file():
        return {}
    noted = read_json(path)
    if not isinstance(noted, dict):
        raise InputError("holds no JSON object", file=path, expected="an object", fix=AGAIN)
    texts = {key: noted[key] for key in ("title", "command", "baseline") if noted.get(key) is not None}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise InputError(f"got {value!r}", file=path, field=key, expected="text", fix=AGAIN)
    losses = {row["loss"] for row in rows}
    cells, failures = (_noted(noted, key, path) for key in ("cells", "failures"))
    for number, cell in enumerate(cells, 1):
        if cell["loss"] not in losses:
            problem = f"{cell['loss']!r} has no run beside it"
            raise InputError(problem, file=path, field=f"cells[{number}].loss", fix=AGAIN)
        for key in MEASURES:
            if cell.get(key) is not None and not finite(cell[key]):
                place = f"cells[{number}].{key}"
                raise InputError(f"got {cell[key]!r}", file=path, field=place, expected="a number", fix=AGAIN)
    highlight = [loss for loss in ("gammapo", texts.get("baseline")) if loss in losses]
    return {**texts, "cells": cells, "failures": failures, "highlight": highlight}


def _noted(noted: Mapping[str, Any], key: str, path: Path) -> list[dict[str, Any]]:
    """The cells or the failures: objects that say which runs they are of."""
    found, keys = (noted.get(key) or []), {"cells": CELL, "failures": (*robustness.KEYS, "error")}[key]
    if not isinstance(found, list):
        raise InputError(f"got {found!r}", file=path, field=key, expected="a list of objects", fix=AGAIN)
    for number, one in enumerate(found, 1):
        for name in keys:
            if not isinstance(one, dict) or name not in one:
                field = f"{key}[{number}].{name}"
                raise InputError("is missing", file=path, field=field, fix=AGAIN)
            value = one[name]
            good = finite(value) if name == "rate" else isinstance(value, str) or name == "seed"
            if not good:
                wanted = "a number" if name == "rate" else "text"
                field = f"{key}[{number}].{name}"
                raise InputError(f"got {value!r}", file=path, field=field, expected=wanted, fix=AGAIN)
    return found


def _lines(path: Path) -> list[Any]:
    rows = []
    with open_text(path) as source:
        for index, line in enumerate(source, 1):
            try:
                rows += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as error:
                problem = getattr(error, "msg", None) or type(error).__name__
                raise InputError(f"not valid JSON: {problem}", file=path, line=index, fix=AGAIN) from error
    return rows
