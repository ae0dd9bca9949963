"""Reading the folder that `gammapo demo` leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gammapo.errors import InputError
from gammapo.files import read_json
from gammapo.report import training_files
from gammapo.report.charts.base import finite
from gammapo.report.results import Row, read_comparisons, read_results

EXPECTED = "results.json, and where there are: comparisons.json, pairs.noise.json, meta.json, runs/, answers/"


@dataclass(frozen=True, kw_only=True)
class DemoFolder:
    """All that the report shows. What a folder lacks is empty or None, except `results`."""

    results: Sequence[Row]
    comparisons: Sequence[Row]
    manifest: Mapping[str, Any] | None
    meta: Mapping[str, Any]
    answers: Mapping[str, Sequence[Row]]
    metrics: Mapping[str, Sequence[Row]]
    ledgers: Mapping[str, Mapping[str, np.ndarray]]


def read_demo(folder: str | Path) -> DemoFolder:
    """Read a demo's output folder.

    Raises:
        InputError: no `results.json`, or a file that does not hold what it should.
    """
    folder = Path(folder)
    if not (folder / "results.json").is_file():
        raise InputError("no results.json in this folder", file=folder, expected=EXPECTED)
    results = read_results(folder / "results.json")
    models = [row["model"] for row in results]
    manifest, meta = folder / "pairs.noise.json", folder / "meta.json"
    return DemoFolder(
        results=results,
        comparisons=read_comparisons(folder / "comparisons.json"),
        manifest=training_files.read_manifest(manifest) if manifest.is_file() else None,
        meta=_meta(meta) if meta.is_file() else {},
        answers={
            m: read_answers(path) for m in models if (path := folder / "answers" / f"{m}.json").is_file()
        },
        metrics={
            model: training_files.read_metrics(path)
            for model in models
            if (path := folder / "runs" / model / "metrics.jsonl").is_file()
        },
        ledgers={
            model: training_files.read_ledger(path)
            for model in models
            if (path := folder / "runs" / model / "ledger.parquet").is_file()
        },
    )


def read_answers(path: str | Path) -> list[dict[str, Any]]:
    """Objects with `instruction`, `output`, and where known `gold` and `parts` (an object)."""
    rows = read_json(path)
    if not isinstance(rows, list):
        raise InputError("holds no list of answers", file=path, expected="a list of objects")
    for index, row in enumerate(rows, 1):
        for key in ("instruction", "output"):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                raise InputError(f"answer {index} has no text", file=path, field=key, expected="a string")
        if not isinstance(row.get("parts"), dict | None):
            raise InputError(
                f"answer {index}: got {row['parts']!r}", file=path, field="parts", expected="an object"
            )
    return rows


def _meta(path: Path) -> dict[str, Any]:
    """How the demo was run; the report looks into `settings` and `stages`, seconds by name."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise InputError("holds no JSON object", file=path, expected="an object")
    for key in ("settings", "stages"):
        if not isinstance(value.get(key), dict | None):
            raise InputError(f"got {value[key]!r}", file=path, field=key, expected="an object")
    for name, seconds in (value.get("stages") or {}).items():
        if not finite(seconds):
            raise InputError(f"got {seconds!r}", file=path, field=f"stages.{name}", expected="seconds")
    return value
