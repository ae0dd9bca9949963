"""Results on disk: one JSON file a run, named by a hash of what decides it. A kill loses no finished run.

The results file of a grid holds the same rows with that name, `run`, in each. A folder that came with
the results file alone, from a repository say, is as good as one with all its runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.benchmark.specs import key_of
from gammapo.errors import InputError

RUNS, FAILURES, RESULTS = "runs", "failures", "results.jsonl"
NAME = re.compile("[0-9a-f]{16}")


class Store:
    """The runs of a benchmark folder.

    Raises:
        InputError: its results file holds a line that is no row.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self._listed, self._nameless = _listed(self.folder / RESULTS)

    def row(self, spec: Mapping[str, Any]) -> dict[str, Any] | None:
        """The stored row of a run under the names that this spec gives its world and loss, or None.
        `run` is the run's name on disk."""
        path, row = self._path(RUNS, spec), self._listed.get(key_of(spec))
        if path.is_file():
            try:
                row = files.read_json(path)["row"]
            except (InputError, KeyError, TypeError):
                row = None  # not ours, or damaged: the run is made again
        if row is None:
            return None
        return {**row, "run": key_of(spec), "world": spec["world"]["as"], "loss": spec["loss"]["as"]}

    def save(self, spec: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        files.write_json(self._path(RUNS, spec), {"spec": spec, "row": row})
        self._path(FAILURES, spec).unlink(missing_ok=True)

    def fail(self, spec: Mapping[str, Any], error: str) -> None:
        """Record a failed run; the next call tries it again."""
        files.write_json(self._path(FAILURES, spec), {"spec": spec, "error": error})

    def error(self, spec: Mapping[str, Any]) -> str | None:
        path = self._path(FAILURES, spec)
        return files.read_json(path)["error"] if path.is_file() else None

    def keep_listed(self) -> None:
        """Give every run that only the results file holds a file of its own, before that is written anew.

        Raises:
            InputError: rows there do not say of which run they are, so that they would be lost.
        """
        if self._nameless:
            raise InputError(
                f"holds {self._nameless} rows that do not name their run (an older form)",
                file=self.folder / RESULTS,
                field="run",
                expected="rows that `gammapo bench` can find again",
                fix="name another folder, or move the file away if its rows may go",
            )
        for name, row in self._listed.items():
            path = self.folder / RUNS / f"{name}.json"
            if not path.exists():
                files.write_json(path, {"row": row})

    def _path(self, kind: str, spec: Mapping[str, Any]) -> Path:
        return self.folder / kind / f"{key_of(spec)}.json"


def _listed(results: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Name of a run → its row, of a results file; and how many rows have no name, being of an older form."""
    found: dict[str, dict[str, Any]] = {}
    nameless = 0
    if not results.is_file():
        return found, nameless
    with files.open_text(results) as source:
        for number, line in enumerate(source, 1):
            try:
                row = json.loads(line)
                name = str(row.get("run"))
            except (ValueError, AttributeError) as error:
                raise InputError(
                    "not a row of results",
                    file=results,
                    line=number,
                    expected="a JSON object a line",
                    fix="move the file away; it is made anew from the runs",
                ) from error
            if NAME.fullmatch(name):
                found[name] = row
            else:
                nameless += 1
    return found, nameless
