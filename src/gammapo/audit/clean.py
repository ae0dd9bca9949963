"""A cleaned pair file, and beside it the record of what was left out and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo import files
from gammapo.audit.before import DROPPABLE, AuditReport
from gammapo.data import MARKER, write_pairs
from gammapo.errors import InputError, nearest


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """Where the cleaned file and its record are, how many pairs it holds, and how many went for what."""

    file: Path
    record: Path
    kept: int
    dropped: dict[str, int]


def record_path(output: str | Path) -> Path:
    """clean.jsonl → clean.dropped.json"""
    path = Path(output)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".dropped.json")


def check_clean(output: str | Path, drop: Sequence[str]) -> None:
    """Raise InputError for an output or a check that no audit can serve, before the audit is run."""
    for name in drop:
        if name not in DROPPABLE:
            raise InputError(f"unknown check {name!r}", field="--drop", expected=nearest(name, [*DROPPABLE]))
    files.refuse_other_than_jsonl(output)


def write_clean(
    report: AuditReport, output: str | Path, drop: Sequence[str], *, overwrite: bool = False
) -> Cleaned:
    """Write the pairs that none of the findings `drop` names, and a list of the others with every reason.

    Raises:
        InputError: no such finding, one that did not run, nothing left, an output that exists or that the
            pairs come from, or one whose name is not that of a JSONL file.
    """
    check_clean(output, drop)
    reasons: dict[str, list[str]] = {}
    for name in drop:
        finding = report.finding(name)
        if finding.skipped:
            raise InputError(
                f"the check {name!r} did not run: {finding.skipped}",
                field="--drop",
                fix="give what it needs, or drop for other reasons",
            )
        for hit in finding.hits:
            reasons.setdefault(hit.id, []).append(f"{name}: {hit.detail}")
    kept = [pair for pair in report.pairs if pair.id not in reasons]
    if not kept:
        raise InputError("every pair would be dropped", field="--drop", fix="drop for fewer reasons")
    record = record_path(output)
    origins = {pair.origin.rpartition(":")[0] for pair in report.pairs}  # a mixture's source only lists them
    for path in (output, record):
        files.refuse_input(path, {report.load.source, *origins})
    if not overwrite:
        files.refuse_existing(output)
        files.refuse_existing(record)
    mark = {MARKER: report.load.noise_marker} if report.load.noise_marker else None
    counts = _counts(reasons, drop) | report.load.drop_counts
    with files.json_last(record, _record(report, reasons, kept=len(kept)), overwrite=overwrite):
        write_pairs(output, kept, overwrite=overwrite, extra=mark)
    return Cleaned(file=Path(output), record=record, kept=len(kept), dropped=counts)


def _counts(reasons: dict[str, list[str]], drop: Sequence[str]) -> dict[str, int]:
    """Reason → pairs dropped, a pair counted under the first reason that names it."""
    counts = dict.fromkeys(drop, 0)
    for why in reasons.values():
        counts[why[0].partition(":")[0]] += 1
    return {name: count for name, count in counts.items() if count}


def _record(report: AuditReport, reasons: dict[str, list[str]], *, kept: int) -> dict[str, Any]:
    origins = {pair.id: pair.origin for pair in report.pairs}
    return {
        "source": report.load.source,
        "source_fingerprint": report.load.fingerprint,
        "kept": kept,
        "dropped": [{"id": name, "origin": origins[name], "why": why} for name, why in reasons.items()],
        "unusable": [
            {"origin": drop.origin, "reason": drop.reason, "problem": drop.problem}
            for drop in report.load.dropped
        ],
    }
