"""A relabelled or filtered pair file from the suspects of a run, with the record of every change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gammapo import files
from gammapo.audit.after import RunAudit
from gammapo.data import MARKER, write_pairs
from gammapo.errors import InputError
from gammapo.types import PreferencePair

HOWS = ("flip", "drop")


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What was written. `right` counts changes of labels that were wrong indeed, None if not known."""

    file: Path
    record: Path
    changed: int
    kept: int
    right: int | None


def repaired_record_path(output: str | Path) -> Path:
    """fixed.jsonl → fixed.repaired.json"""
    path = Path(output)
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".repaired.json")


def check_repair(output: str | Path, how: str, above: float) -> None:
    """Raise InputError for a way of repair that cannot be gone, before hours of judging are spent on it."""
    if how not in HOWS:
        raise InputError(f"unknown {how!r}", field="how", expected="'flip' or 'drop'")
    if not 0 <= above <= 1:
        raise InputError(f"is {above}", field="above", expected="a probability in [0, 1]")
    files.refuse_other_than_jsonl(output)


def write_repaired(
    audit: RunAudit,
    output: str | Path,
    *,
    how: str,
    above: float,
    pairs: Sequence[PreferencePair],
    marker: str | None = None,
    overwrite: bool = False,
) -> Repaired:
    """Flip or drop the pairs whose label is wrong with a probability above `above`.

    Args:
        pairs: all pairs of the file, in the order in which they are written: that of a mixture is its own,
            and a limit takes the first. Those that were not judged, as a run never came to them or they are
            too long for its recipe, stay as they are.

    Raises:
        InputError: an unknown way, a threshold outside [0, 1], nothing left, an output that exists or
        that the pairs come from, or one whose name is not that of a JSONL file.
    """
    check_repair(output, how, above)
    record = repaired_record_path(output)
    for path in (output, record):
        files.refuse_input(path, {one.pair.origin.rpartition(":")[0] for one in audit.suspects})
    chosen = {one.pair.id: one for one in audit.suspects if one.probability > above}
    judged = {one.pair.id: one.pair for one in audit.suspects}
    in_order = list({**{pair.id: pair for pair in pairs}, **judged}.values())
    if how == "flip":
        mended = [pair.flipped() if pair.id in chosen else pair for pair in in_order]
    else:
        mended = [pair for pair in in_order if pair.id not in chosen]
    if not mended:
        raise InputError("every pair would be dropped", field="above", fix="choose a higher threshold")
    for path in () if overwrite else (output, record):
        files.refuse_existing(path)
    changes = [{"id": name, "flip_probability": one.probability} for name, one in chosen.items()]
    value = {"run": audit.run, "how": how, "above": above, "changed": changes}
    with files.json_last(record, value, overwrite=overwrite):
        write_pairs(output, mended, overwrite=overwrite, extra={MARKER: marker} if marker else None)
    known = [one.flipped for one in chosen.values()]
    return Repaired(
        file=Path(output),
        record=record,
        changed=len(chosen),
        kept=len(mended),
        right=None if audit.truth is None else sum(bool(flag) for flag in known),
    )
