"""Judgements that exist already, in an annotations file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.judging.spec import Comparison, Progress
from gammapo.types import Judgement

AGAIN = "mend or remove the row, or give the annotations file of a judge"


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a row stands: its line in JSON lines, otherwise its number in the list; both from 1."""

    line: int | None = None
    row: int | None = None

    def field(self, name: str) -> str:
        return name if self.row is None else f"row {self.row}: {name}"

    def of(self, name: str | None = None) -> dict[str, Any]:
        """What `InputError` is told of it."""
        told = self.field(name) if name else None if self.row is None else f"row {self.row}"
        return {"line": self.line, "field": told}


class AnnotatedJudge:
    """Looks comparisons up by their three texts; a row with the outputs the other way round counts too.

    Raises:
        InputError: the file is no list of annotations or contradicts itself, or a comparison is not in it.
    """

    def __init__(self, path: str):
        self.path, self.name = Path(path), f"annotations:{Path(path).name}"
        self._known: dict[tuple[str, str, str], tuple[float | None, str]] = {}
        for place, row in _rows(self.path):
            self._add(row, place)

    def _add(self, row: object, place: _Place) -> None:
        if not isinstance(row, dict):
            raise InputError(
                f"holds a {type(row).__name__}",
                file=self.path,
                **place.of(),
                expected="an annotation",
                fix=AGAIN,
            )
        for key in ("instruction", "output_1", "output_2", "preference"):
            if key not in row:
                raise InputError(
                    "is missing", file=self.path, **place.of(key), expected="an annotation", fix=AGAIN
                )
            if key != "preference" and not isinstance(row[key], str):
                raise InputError(
                    f"is a {type(row[key]).__name__}",
                    file=self.path,
                    **place.of(key),
                    expected="text",
                    fix=AGAIN,
                )
        texts = (row["instruction"], row["output_1"], row["output_2"])
        preference = row["preference"]
        if not _is_preference(preference):
            raise InputError(
                f"got {preference!r}",
                file=self.path,
                **place.of("preference"),
                expected="a number in [1, 2], 0 for a draw, or null",
                fix="mend it, or write null where it was not judged",
            )
        if preference != preference:  # NaN, pandas' spelling of null
            preference = None
        elif preference == 0:
            preference = 1.5
        annotator = str(row.get("annotator") or self.name)
        files.refuse_half_characters({place.field("annotator"): annotator}, self.path, place.line)
        known, _ = self._known.setdefault(texts, (preference, annotator))
        if known != preference:
            raise InputError(
                f"got {preference!r}, and an earlier row judges the same outputs as {known!r}",
                file=self.path,
                **place.of("preference"),
                expected="one judgement of two outputs",
                fix="keep the rows of one annotator",
            )

    def judge(
        self, comparisons: Sequence[Comparison], *, progress: Progress | None = None
    ) -> list[Judgement]:
        """See `Judge.judge`."""
        found, absent = [], []
        for number, comparison in enumerate(comparisons, 1):
            texts = (comparison.instruction, comparison.output_1, comparison.output_2)
            if texts in self._known:
                found.append(comparison.judged(*self._known[texts]))
            elif (texts[0], texts[2], texts[1]) in self._known:
                preference, annotator = self._known[texts[0], texts[2], texts[1]]
                turned = None if preference is None else 3 - preference
                found.append(comparison.judged(turned, annotator))
            else:
                absent.append(number)
        if absent:
            raise InputError(
                f"{len(absent)} of {len(comparisons)} comparisons are not in it, first row {absent[0]}",
                file=self.path,
                expected="a row with the same instruction and outputs",
                fix="annotate them with another judge, or compare other outputs",
            )
        if progress:
            progress(len(comparisons), len(comparisons))
        return found


def _is_preference(value: Any) -> bool:
    """A truth value is none: true would mean that the reference won, false a draw."""
    if value is None:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value != value or value == 0 or 1 <= value <= 2


def _rows(path: Path) -> list[tuple[_Place, Any]]:
    """The rows of a JSON list, of JSON lines, or in an object's `annotations`, as `winrate` takes them."""
    rows = _json_lines(path)
    if rows is None:
        held = files.read_json(path)
        held = held.get("annotations") if isinstance(held, dict) else held
        rows = (
            [(_Place(row=number), row) for number, row in enumerate(held, 1)]
            if isinstance(held, list)
            else []
        )
    if not rows:
        raise InputError(
            "holds no rows", file=path, expected="a JSON list of annotations, or JSON lines", fix=AGAIN
        )
    return rows


def _json_lines(path: Path) -> list[tuple[_Place, Any]] | None:
    """One value a line, if the first line is a whole annotation; else None."""
    with files.open_text(path) as source:
        lines = [(number, line) for number, line in enumerate(source, 1) if line.strip()]
    rows: list[tuple[_Place, Any]] = []
    for number, line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if not rows:
                return None
            raise InputError(
                f"not valid JSON: {error}", file=path, line=number, fix="repair or recreate the file"
            ) from error
        if not rows and (not isinstance(row, dict) or "annotations" in row):
            return None
        rows.append((_Place(line=number), row))
    return rows
