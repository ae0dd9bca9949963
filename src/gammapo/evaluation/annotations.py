"""Reading a file of judgements in AlpacaEval's format: a list of rows, JSON or JSON lines, gzipped or not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammapo.errors import InputError
from gammapo.files import open_text, split_lines
from gammapo.types import Judgement

Array = NDArray[np.float64]
AGAIN = "give the annotations.json of a judge (gammapo judge, or alpaca_eval)"
TEXTS = ("instruction", "output_1", "output_2", "generator_1", "generator_2")


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """n judged comparisons; output_1 is the reference's, output_2 the model's.

    `preferences` (n,) lies in [1, 2], NaN where not judged. `invalid` names the rows (from 0) whose
    preference is outside [1, 2]; `checks.check` decides about them. Texts are tuples of n strings.
    `lines` are those of the rows in a file of JSON lines, None for the rows of a list.
    """

    origin: str
    instructions: tuple[str, ...] = field(repr=False)
    outputs: tuple[str, ...] = field(repr=False)
    reference_outputs: tuple[str, ...] = field(repr=False)
    generators: tuple[str, ...] = field(repr=False)
    references: tuple[str, ...] = field(repr=False)
    preferences: Array = field(repr=False, compare=False)
    invalid: tuple[int, ...] = ()
    lines: tuple[int, ...] | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.instructions)

    @property
    def generator(self) -> str:
        return " + ".join(dict.fromkeys(self.generators))

    @property
    def reference(self) -> str:
        return " + ".join(dict.fromkeys(self.references))

    @property
    def model_lengths(self) -> Array:
        """Characters of each of the model's outputs, (n,)."""
        return np.array([len(text) for text in self.outputs], dtype=np.float64)

    @property
    def reference_lengths(self) -> Array:
        return np.array([len(text) for text in self.reference_outputs], dtype=np.float64)

    def place(self, row: int | None, field: str | None = None) -> dict[str, Any]:
        """Where a row (from 0) stands, as `InputError` is told; None is the file as a whole."""
        if row is None:
            return {"field": field}
        return _place(row + 1, None if self.lines is None else self.lines[row], field)

    def take(self, rows: Sequence[int]) -> Annotations:
        """The rows at these places, in this order."""

        def pick(texts: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(texts[row] for row in rows)

        return replace(
            self,
            instructions=pick(self.instructions),
            outputs=pick(self.outputs),
            reference_outputs=pick(self.reference_outputs),
            generators=pick(self.generators),
            references=pick(self.references),
            preferences=self.preferences[list(rows)],
            invalid=(),
            lines=None if self.lines is None else tuple(self.lines[row] for row in rows),
        )


def read_annotations(path: str | Path) -> Annotations:
    """Read a file of judgements.

    Raises:
        InputError: no such file, not JSON, no rows, a row that is no object, a column that is missing or
            not text, a preference that is no number. Column and line are named, or the row of a list, both
            counted from 1.
    """
    rows, lines = _rows(Path(path))
    return _from_rows(rows, lines, origin=str(path))


def from_judgements(judgements: Sequence[Judgement], *, origin: str = "judgements") -> Annotations:
    """The same from a judge's answers in memory."""
    rows = [{name: getattr(judgement, name) for name in (*TEXTS, "preference")} for judgement in judgements]
    return _from_rows(rows, None, origin=origin)


def _rows(path: Path) -> tuple[list[Any], list[int] | None]:
    """The rows, and where they are JSON lines the line of each."""
    lines = None
    with open_text(path) as source:
        text = source.read()
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        rows, lines = _json_lines(text, path, error)
    except ValueError as error:
        raise _too_long(path) from error
    except RecursionError as error:
        raise _too_deep(path) from error
    if isinstance(rows, dict) and isinstance(rows.get("annotations"), list):
        rows = rows["annotations"]
    if isinstance(rows, dict) and "preference" in rows:  # JSON lines, of one line
        rows, lines = [rows], [1 + text[: text.index("{")].count("\n")]
    if not isinstance(rows, list):
        raise InputError(
            f"holds a {type(rows).__name__}",
            file=path,
            expected="a list of rows, as AlpacaEval writes it",
            fix=AGAIN,
        )
    return rows, lines


def _too_deep(path: Path, line: int | None = None) -> InputError:
    return InputError("is nested too deeply", file=path, line=line, expected="a list of rows", fix=AGAIN)


def _too_long(path: Path, line: int | None = None) -> InputError:
    problem = "holds an integer of more than 4300 digits"
    return InputError(problem, file=path, line=line, expected="a list of rows", fix=AGAIN)


def _json_lines(text: str, path: Path, whole: json.JSONDecodeError) -> tuple[list[Any], list[int]]:
    """One object a line, and the line of each, if the file's first line is one; else the complaint about the
    file as a whole."""
    lines = [(number, line) for number, line in enumerate(split_lines(text), 1) if line.strip()]
    rows = []
    for number, line in lines:
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            first = number == lines[0][0]
            problem, at = (whole.msg, whole.lineno) if first else (error.msg, number)
            raise InputError(
                f"not valid JSON: {problem}", file=path, line=at, fix="repair or recreate the file"
            ) from error
        except ValueError as error:
            raise _too_long(path, number) from error
        except RecursionError as error:
            raise _too_deep(path, number) from error
    return rows, [number for number, _ in lines]


def _place(row: int, line: int | None, field: str | None) -> dict[str, Any]:
    if line is not None:
        return {"line": line, "field": field}
    return {"field": f"row {row}: {field}" if field else f"row {row}"}


def _from_rows(rows: Sequence[Any], lines: Sequence[int] | None, *, origin: str) -> Annotations:
    if not rows:
        raise InputError("holds no rows", file=origin, expected="at least one judged comparison", fix=AGAIN)
    for number, row in enumerate(rows, 1):
        _check_row(row, origin, number, None if lines is None else lines[number - 1])
    preferences = np.array([_number(row["preference"]) for row in rows])
    preferences = np.where(preferences == 0, 1.5, preferences)  # AlpacaEval's other spelling of a draw
    outside = ~np.isnan(preferences) & ~((preferences >= 1) & (preferences <= 2))
    texts = {name: tuple(row[name] for row in rows) for name in TEXTS}
    return Annotations(
        origin=origin,
        instructions=texts["instruction"],
        outputs=texts["output_2"],
        reference_outputs=texts["output_1"],
        generators=texts["generator_2"],
        references=texts["generator_1"],
        preferences=preferences,
        invalid=tuple(int(row) for row in np.flatnonzero(outside)),
        lines=None if lines is None else tuple(lines),
    )


def _number(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:  # an integer of more than 308 digits
        return np.inf


def _check_row(row: Any, origin: str, number: int, line: int | None) -> None:
    if not isinstance(row, Mapping):
        raise InputError(
            f"a row is a {type(row).__name__}",
            file=origin,
            **_place(number, line, None),
            expected="an object",
            fix=AGAIN,
        )
    for name in TEXTS:
        if not isinstance(row.get(name), str):
            got = "is missing" if name not in row else f"is a {type(row[name]).__name__}"
            raise InputError(
                f"the column {got}",
                file=origin,
                **_place(number, line, name),
                expected="text, as in AlpacaEval",
                fix="complete or drop the row",
            )
    value = row.get("preference")
    if "preference" not in row or isinstance(value, bool) or not isinstance(value, int | float | None):
        got = "is missing" if "preference" not in row else f"is a {type(value).__name__}"
        raise InputError(
            f"the column {got}",
            file=origin,
            **_place(number, line, "preference"),
            expected="a number in [1, 2], or null",
            fix="write it as a number, or as null where it was not judged",
        )
