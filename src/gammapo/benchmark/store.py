"""Results on disk: one JSON file a run, named by a hash of what decides it. A kill loses no finished run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.benchmark.grid import key_of
from gammapo.errors import InputError

RUNS, FAILURES = "runs", "failures"


class Store:
    """The runs of a benchmark folder."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def row(self, spec: Mapping[str, Any]) -> dict[str, Any] | None:
        """The stored row of a run under the names that this spec gives its world and loss, or None."""
        path = self._path(RUNS, spec)
        if not path.is_file():
            return None
        try:
            row = files.read_json(path)["row"]
        except (InputError, KeyError, TypeError):
            return None  # not ours, or damaged: the run is made again
        return {**row, "world": spec["world"]["as"], "loss": spec["loss"]["as"]}

    def save(self, spec: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        files.write_json(self._path(RUNS, spec), {"spec": spec, "row": row})
        self._path(FAILURES, spec).unlink(missing_ok=True)

    def fail(self, spec: Mapping[str, Any], error: str) -> None:
        """Record a failed run; the next call tries it again."""
        files.write_json(self._path(FAILURES, spec), {"spec": spec, "error": error})

    def error(self, spec: Mapping[str, Any]) -> str | None:
        path = self._path(FAILURES, spec)
        return files.read_json(path)["error"] if path.is_file() else None

    def _path(self, kind: str, spec: Mapping[str, Any]) -> Path:
        return self.folder / kind / f"{key_of(spec)}.json"
