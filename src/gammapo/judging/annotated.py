"""Judgements that exist already, in an annotations file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.judging.spec import Comparison, Progress
from gammapo.types import Judgement


class AnnotatedJudge:
    """Looks comparisons up by their three texts; a row with the outputs the other way round counts too.

    Raises:
        InputError: the file is no list of annotations or contradicts itself, or a comparison is not in it.
    """

    def __init__(self, path: str):
        self.path, self.name = Path(path), f"annotations:{Path(path).name}"
        self._known: dict[tuple[str, str, str], tuple[float | None, str]] = {}
        for number, row in enumerate(_rows(self.path), 1):
            self._add(row, number)

    def _add(self, row: object, number: int) -> None:
        for key in ("instruction", "output_1", "output_2", "preference"):
            if not isinstance(row, dict) or key not in row:
                raise InputError(
                    "is missing", file=self.path, line=number, field=key, expected="an annotation"
                )
        assert isinstance(row, dict)
        texts = (row["instruction"], row["output_1"], row["output_2"])
        if not all(isinstance(text, str) for text in texts):
            raise InputError(
                "instruction, output_1 and output_2 are not all text",
                file=self.path,
                line=number,
                expected="three strings",
            )
        preference = row["preference"]
        if not _is_preference(preference):
            raise InputError(
                f"got {preference!r}",
                file=self.path,
                line=number,
                field="preference",
                expected="a number in [1, 2], 0 for a draw, or null",
            )
        if preference != preference:  # NaN, pandas' spelling of null
            preference = None
        elif preference == 0:
            preference = 1.5
        annotator = str(row.get("annotator") or self.name)
        files.refuse_half_characters({"annotator": annotator}, self.path, number)
        known, _ = self._known.setdefault(texts, (preference, annotator))
        if known != preference:
            raise InputError(
                f"got {preference!r}, and an earlier row judges the same outputs as {known!r}",
                file=self.path,
                line=number,
                field="preference",
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


def _rows(path: Path) -> list[Any]:
    """The rows of a JSON list, of JSON lines, or in an object's `annotations`, as `winrate` takes them."""
    rows = _json_lines(path)
    if rows is None:
        rows = files.read_json(path)
    if isinstance(rows, dict) and "annotations" in rows:
        rows = rows["annotations"]
    if not isinstance(rows, list) or not rows:
        raise InputError("holds no rows", file=path, expected="a JSON list of annotations, or JSON lines")
    return rows


def _json_lines(path: Path) -> list[Any] | None:
    """One value a line, if the first line is a whole annotation; else None."""
    with files.open_text(path) as source:
        lines = [(number, line) for number, line in enumerate(source, 1) if line.strip()]
    rows = []
    for number, line in lines:
        try:
            rows.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            if not rows:
                return None
            raise InputError(
                f"not valid JSON: {error}", file=path, line=number, fix="repair or recreate the file"
            ) from error
        if not isinstance(rows[0], dict) or "annotations" in rows[0]:
            return None
    return rows
