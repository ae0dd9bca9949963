"""Is an outputs file whole? Its rows against the set that they claim to answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.errors import InputError
from gammapo.generation.prompts import PromptSet

TELL = 3  # examples a fault


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of fault, how often, and where first (rows counted from 1; of the set for missing ones).

    A grave fault makes the file no answer to this set; the others are only worth knowing.
    """

    kind: str
    count: int
    rows: tuple[int, ...]
    grave: bool

    def describe(self) -> str:
        more = ", …" if self.count > len(self.rows) else ""
        return f"{self.count} {self.kind} (row {', '.join(map(str, self.rows))}{more})"


@dataclass(frozen=True, kw_only=True)
class OutputsReport:
    """What a check found."""

    rows: int
    expected: int
    faults: tuple[Fault, ...] = field(default=())

    @property
    def good(self) -> bool:
        return not any(fault.grave for fault in self.faults)


def check_outputs(path: str | Path, prompts: PromptSet) -> OutputsReport:
    """Compare an outputs file with its set.

    Raises:
        InputError: the file is no list of rows with `instruction` and `output`.
    """
    rows = read_rows(path)
    wanted = [item.instruction for item in prompts.items]
    given = [row["instruction"] for row in rows]
    due, seen = Counter(wanted), Counter[str]()
    unknown, repeated, known = [], [], []
    for number, instruction in enumerate(given, 1):
        seen[instruction] += 1
        if instruction not in due:
            unknown.append(number)
        elif seen[instruction] > due[instruction]:
            repeated.append(number)
        else:
            known.append(number)
    left, missing = Counter(given), []
    for number, instruction in enumerate(wanted, 1):
        left[instruction] -= 1
        if left[instruction] < 0:
            missing.append(number)
    absent = set(missing)
    present = [instruction for number, instruction in enumerate(wanted, 1) if number not in absent]
    moved = [n for n, instruction in zip(known, present, strict=True) if given[n - 1] != instruction]
    empty = [n for n, row in enumerate(rows, 1) if not row["output"].strip()]
    cut = [n for n, row in enumerate(rows, 1) if row.get("finish_reason") == "length"]
    names = Counter(str(row.get("generator")) for row in rows)
    mixed = [n for n, row in enumerate(rows, 1) if str(row.get("generator")) != names.most_common(1)[0][0]]
    found = (
        ("missing instructions", missing, True),
        ("instructions that the set does not have", unknown, True),
        ("repeated instructions", repeated, True),
        ("instructions out of order", moved, True),
        ("rows of another generator", mixed, True),
        ("empty outputs", empty, False),
        ("outputs cut at the length limit", cut, False),
    )
    faults = tuple(
        Fault(kind=kind, count=len(numbers), rows=tuple(numbers[:TELL]), grave=grave)
        for kind, numbers, grave in found
        if numbers
    )
    return OutputsReport(rows=len(rows), expected=len(wanted), faults=faults)


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """The rows of an outputs file, each with text `instruction` and `output`."""
    rows = files.read_json(path)
    if not isinstance(rows, list) or not rows:
        raise InputError("holds no rows", file=path, expected="a JSON list of outputs")
    for number, row in enumerate(rows, 1):
        for key in ("instruction", "output"):
            if not isinstance(row, dict) or not isinstance(row.get(key), str):
                raise InputError(
                    "is missing or no text", file=path, line=number, field=key, expected="text in every row"
                )
    return rows
