"""What may be averaged: every defect of a judgement file is counted, then refused or said aloud.

| kind | what | refused | with `allow` |
|---|---|---|---|
| `invalid` | a preference outside [1, 2] | always | counted as not judged |
| `repeats` | an instruction in more than one row | always | every row counts |
| `mixed` | more than one generator on a side | always | taken as one model |
| `unknown` | instructions that are not of the set, in a file of that set | always | kept |
| `missing` | instructions of the set that the file lacks | above 1 % | averaged over those present |
| `nulls` | rows without a judgement | above 5 % | averaged over those judged |
| `reference` | not the reference asked for, or outputs that are not the reference's | always | kept |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gammapo.errors import InputError, nearest
from gammapo.evaluation.annotations import Annotations
from gammapo.evaluation.tables import OFFICIAL_REFERENCE, LengthTables, packaged_tables

KINDS = ("invalid", "repeats", "mixed", "unknown", "missing", "nulls", "reference")
OFFICIAL_SHARE = 0.5  # of a file's instructions, from which it counts as a file about the official set
FEW_MISSING, FEW_NULLS, FEW_OTHER_REFERENCES = 0.01, 0.05, 0.05


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Annotations fit to be averaged, and what was found on the way."""

    annotations: Annotations
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Finding:
    kind: str
    problem: str
    refused: bool
    row: int | None = None  # from 0
    field: str | None = None
    if_allowed: str = ""  # what becomes of it, for the warning


def check(
    annotations: Annotations,
    *,
    allow: Collection[str] = (),
    reference: str | None = None,
    expected: Sequence[str] | None = None,
    tables: LengthTables | None = None,
) -> Checked:
    """Refuse what would make the average mean something else; warn of what is merely worth knowing.

    Args:
        allow: kinds that are warned of instead of refused.
        reference: the generator_1 that the file must have.
        expected: the instructions the file should hold, where it is another set than AlpacaEval's.

    Raises:
        InputError: a refused finding, with its count, or an unknown kind in `allow`.
    """
    for kind in allow:
        if kind not in KINDS:
            raise InputError(
                f"{kind!r} is no kind of finding",
                field="allow",
                expected=nearest(kind, list(KINDS)),
            )
    findings = [
        *_invalid(annotations),
        *_nulls(annotations),
        *_generators(annotations),
        *_repeats(annotations),
        *_set(annotations, expected, tables or packaged_tables()),
        *_reference(annotations, reference, tables or packaged_tables()),
    ]
    for finding in findings:
        if finding.refused and finding.kind not in allow:
            raise InputError(
                finding.problem,
                file=annotations.origin,
                **annotations.place(finding.row, finding.field),
                fix=f"repair the file, or pass --allow {finding.kind} to go on regardless",
            )
    preferences = annotations.preferences.copy()
    preferences[list(annotations.invalid)] = np.nan
    return Checked(
        annotations=replace(annotations, preferences=preferences, invalid=()),
        warnings=tuple(finding.problem + finding.if_allowed for finding in findings),
    )


def _invalid(a: Annotations) -> list[_Finding]:
    if not a.invalid:
        return []
    first = a.invalid[0]
    problem = f"{len(a.invalid)} of {len(a)} preferences lie outside [1, 2]"
    problem += f" (the first is {a.preferences[first]:g})"
    return [
        _Finding(
            kind="invalid",
            problem=problem,
            refused=True,
            row=first,
            field="preference",
            if_allowed="; they count as not judged",
        )
    ]


def _nulls(a: Annotations) -> list[_Finding]:
    nulls = int(np.isnan(a.preferences).sum())
    if not nulls:
        return []
    problem = f"{nulls} of {len(a)} rows have no preference"
    return [
        _Finding(
            kind="nulls",
            problem=problem,
            refused=nulls > FEW_NULLS * len(a),
            field="preference",
            if_allowed=" and enter no average",
        )
    ]


def _generators(a: Annotations) -> list[_Finding]:
    found = []
    for name, values in (("generator_2", a.generators), ("generator_1", a.references)):
        counts = Counter(values)
        if len(counts) > 1:
            listed = ", ".join(f"{who} ({n})" for who, n in counts.most_common(4))
            problem = f"{len(counts)} generators are mixed: {listed}"
            row = next(i for i, who in enumerate(values) if who != values[0])
            found.append(_Finding(kind="mixed", problem=problem, refused=True, row=row, field=name))
    return found


def _repeats(a: Annotations) -> list[_Finding]:
    first: dict[str, int] = {}
    repeated = [row for row, text in enumerate(a.instructions) if first.setdefault(text, row) != row]
    if not repeated:
        return []
    problem = f"{len(repeated)} of {len(a)} rows repeat an instruction of an earlier row"
    row = repeated[0]
    problem += f" (row {row + 1} repeats row {first[a.instructions[row]] + 1})"
    return [_Finding(kind="repeats", problem=problem, refused=True, row=row, field="instruction")]


def _set(a: Annotations, expected: Sequence[str] | None, tables: LengthTables) -> list[_Finding]:
    """Missing and unknown instructions, against the set given, or AlpacaEval's if the file is about it."""
    if expected is not None:
        wanted, name = set(expected), "the given set"
        known = [text in wanted for text in a.instructions]
        size = len(wanted)
    else:
        name, size = "the official AlpacaEval set", len(tables.difficulty)
        known = list(tables.positions(a.instructions) >= 0)
        if sum(known) < OFFICIAL_SHARE * len(a):  # a set of one's own: nothing to hold it against
            return []
    found = []
    unknown = known.count(False)
    if unknown:
        problem = f"{unknown} of {len(a)} instructions are not of {name}"
        row = known.index(False)
        found.append(_Finding(kind="unknown", problem=problem, refused=True, row=row, field="instruction"))
    present = {text for text, is_known in zip(a.instructions, known, strict=True) if is_known}
    lacking = size - len(present)
    if lacking:
        problem = f"{lacking} of the {size} instructions of {name} are missing"
        found.append(_Finding(kind="missing", problem=problem, refused=lacking > FEW_MISSING * size))
    return found


def _reference(a: Annotations, wanted: str | None, tables: LengthTables) -> list[_Finding]:
    found = []
    if wanted is not None and a.reference != wanted:
        problem = f"the reference is {a.reference!r}, not {wanted!r}"
        found.append(_Finding(kind="reference", problem=problem, refused=True, row=0, field="generator_1"))
    places = tables.positions(a.instructions)
    known = places >= 0
    if a.reference == OFFICIAL_REFERENCE and known.any():
        other = int((tables.reference_length[places[known]] != a.reference_lengths[known]).sum())
        if other:
            problem = (
                f"{other} of {len(a)} outputs of {OFFICIAL_REFERENCE!r} are not the official reference's"
            )
            refused = other > FEW_OTHER_REFERENCES * len(a)
            found.append(_Finding(kind="reference", problem=problem, refused=refused, field="output_1"))
    if a.generator == OFFICIAL_REFERENCE != a.reference:
        problem = f"the model is {OFFICIAL_REFERENCE!r}, the usual reference: are the two sides swapped?"
        found.append(_Finding(kind="reference", problem=problem, refused=False, field="generator_2"))
    return found
