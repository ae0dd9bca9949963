"""Pairs from one source: streamed, checked row by row, nothing dropped unsaid."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

from gammapo.data.conversations import refuse_unread, refuse_unread_columns, whole
from gammapo.data.faults import REASONS, RowError
from gammapo.data.ids import RepeatNumbers, fingerprint_bytes, pair_id
from gammapo.data.shapes import MARKER, USED_COLUMNS, classify, parse
from gammapo.data.sources import rows
from gammapo.errors import InputError
from gammapo.types import PreferencePair

OnBad = Literal["raise", "drop", "refuse"]


@dataclass(frozen=True, kw_only=True)
class Drop:
    """One row left out: where, why (a key of faults.REASONS) and in words, and what would have been right."""

    origin: str
    reason: str
    problem: str
    expected: str | None = None
    fix: str | None = None


@dataclass(kw_only=True)
class LoadReport:
    """What was understood of a source, filled while it is read.

    `rows` read, of which `pairs` were good and the rest `dropped`. `noise_marker` is the mark that
    `gammapo corrupt` leaves in a file, None in a file as it was collected. `fingerprint` is what
    `data.fingerprint` says of the pairs.
    """

    source: str
    split: str | None = None
    shape: str = ""
    rows: int = 0
    pairs: int = 0
    dropped: list[Drop] = field(default_factory=list)
    columns: tuple[str, ...] = ()
    noise_marker: str | None = None
    fingerprint: str = ""

    @property
    def drop_counts(self) -> dict[str, int]:
        """Reason → rows dropped for it, the most frequent first."""
        return dict(Counter(drop.reason for drop in self.dropped).most_common())

    @property
    def ignored_columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.columns if name not in USED_COLUMNS)

    def describe(self) -> str:
        """One line a person can read: "980 of 1000 rows (shape hh); dropped 20: empty answer 20"."""
        line = f"{self.pairs} of {self.rows} rows" + (f" (shape {self.shape})" if self.shape else "")
        if self.dropped:
            reasons = ", ".join(f"{REASONS[name]} {count}" for name, count in self.drop_counts.items())
            line += f"; dropped {len(self.dropped)}: {reasons}"
        return line


@dataclass(frozen=True, kw_only=True)
class LoadedPairs:
    """Pairs in the order of their source, and the report of how they were read."""

    pairs: list[PreferencePair]
    report: LoadReport


def load_source(
    path: str | Path, *, split: str | None = None, limit: int | None = None, on_bad: OnBad = "raise"
) -> LoadedPairs:
    """Read preference pairs from a file, a `datasets` folder or a hub id; the shape is told by the columns.

    Args:
        path: JSONL or JSON (gzip-compressed or not), Parquet, CSV, a folder, or a hub id "owner/name"; the
            last two with ":CONFIG" behind where they have several configurations.
        split: which split of a folder or hub id; needed where there are several.
        limit: stop after this many good pairs.
        on_bad: "raise" at the first unusable row, or "drop" such rows and list them in the report; "refuse"
            raises without a word of dropping, for callers that offer no way to it.

    Raises:
        InputError: naming file, line and field; also if no pair is left, or two shapes are mixed.
    """
    report = LoadReport(source=str(path), split=split)
    pairs = list(iter_pairs(path, split=split, limit=limit, on_bad=on_bad, report=report))
    if not pairs:
        raise nothing_usable(report)
    return LoadedPairs(pairs=pairs, report=report)


def nothing_usable(report: LoadReport) -> InputError:
    """The error for a source of which no row could be used; it tells what is wrong with the first."""
    if not report.dropped:
        return InputError(
            "is empty",
            file=report.source,
            expected="at least one preference pair",
            fix="check that this is the right file",
        )
    first = report.dropped[0]
    line = first.origin.rpartition(":")[2]
    return InputError(
        f"holds no usable pair; {report.describe()}. The first, at line {line}: {first.problem}",
        file=report.source,
        expected=first.expected or "at least one preference pair",
        fix=first.fix or "check that this is the right file; docs/data.md lists the shapes that are read",
    )


def iter_pairs(
    path: str | Path,
    *,
    split: str | None = None,
    limit: int | None = None,
    on_bad: OnBad = "raise",
    report: LoadReport | None = None,
) -> Iterator[PreferencePair]:
    """The same pairs one at a time, in memory that does not grow with their texts; fills `report`."""
    if on_bad not in get_args(OnBad):
        raise InputError(f"unknown {on_bad!r}", field="on_bad", expected="'raise' or 'drop'")
    report = report if report is not None else LoadReport(source=str(path), split=split)
    repeats, digest = RepeatNumbers(), hashlib.sha256()
    check_limit(limit)
    for line, row in rows(path, split):
        report.rows += 1
        try:
            pair = _pair(row, line, report)
        except RowError as fault:
            if on_bad != "drop":
                raise fault.at(path, line, droppable=on_bad == "raise") from None
            report.dropped.append(_drop(fault, path, line))
            continue
        pair = _with_unique_id(pair, repeats)
        digest.update(fingerprint_bytes(pair))
        report.pairs += 1
        yield pair
        if report.pairs == limit:
            break
    report.fingerprint = digest.hexdigest()


def check_limit(limit: int | None) -> None:
    """Raise InputError for a limit of pairs that leaves none."""
    if limit is not None and limit < 1:
        raise InputError(f"is {limit}", field="limit", expected="at least 1")


def _pair(row: object, line: int, report: LoadReport) -> PreferencePair:
    if isinstance(row, RowError):
        raise row
    if not isinstance(row, dict):
        raise RowError("not_object", f"the row is {type(row).__name__}", expected="an object with columns")
    for name in row:
        if not str(name).isascii():
            whole(str(name), f"column {name!a}", reason="bad_column")
    shape = classify(row)
    if not report.shape:
        report.shape, report.columns = shape, tuple(map(str, row))
    elif {shape, report.shape} == {"text", "hh_prompt"}:
        shape = report.shape  # the first row decides: a question may quote a transcript
    elif shape == "implicit" != report.shape and "prompt" in row:
        raise RowError("null_value", "is null", field="prompt", expected="text or a message list")
    elif shape != report.shape:
        raise InputError(
            f"this row has the shape {shape!r}, the rows before it {report.shape!r}",
            file=report.source,
            line=line,
            expected="one shape in one file",
            fix="split the file by shape",
        )
    content = parse(row, shape)
    for name in ("prompt", "chosen", "rejected"):
        refuse_unread(row.get(name), name)
    refuse_unread_columns(row)
    marker = row.get(MARKER)
    if isinstance(marker, str) and report.noise_marker is None:
        report.noise_marker = whole(marker, MARKER)
    return PreferencePair(
        id=_stored_id(row) or pair_id(content.prompt, content.chosen, content.rejected),
        prompt=content.prompt,
        chosen=content.chosen,
        rejected=content.rejected,
        chosen_score=content.chosen_score,
        rejected_score=content.rejected_score,
        origin=f"{report.source}:{line}",
    )


def _stored_id(row: dict) -> str | None:
    value = row.get("id")
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError(
            "bad_id", f"holds {type(value).__name__}", field="id", expected="text or a whole number"
        )
    return whole(str(value), "id", reason="bad_id")


def _with_unique_id(pair: PreferencePair, repeats: RepeatNumbers) -> PreferencePair:
    unique = repeats.unique(pair.id)
    return pair if unique == pair.id else replace(pair, id=unique)


def _drop(fault: RowError, path: str | Path, line: int) -> Drop:
    problem = f"{fault.field}: {fault.problem}" if fault.field else fault.problem
    return Drop(
        origin=f"{path}:{line}", reason=fault.reason, problem=problem, expected=fault.expected, fix=fault.fix
    )
