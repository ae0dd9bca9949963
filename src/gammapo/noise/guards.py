"""What noise must not touch: data that is noisy already, and data that is to measure."""

from __future__ import annotations

import re
from pathlib import Path

from gammapo.errors import InputError
from gammapo.noise.manifest import made_from, manifest_path, read_manifest

HELD_OUT = {"test", "eval", "evaluation", "val", "valid", "validation", "dev", "heldout"}


def refuse_corrupted(source: str | Path, marker: str | None) -> None:
    """Raise InputError if the file is noisy already: its rows carry a mark, or a manifest lies beside it that
    was not made from this very file.

    Applied twice, noise flips some labels back, and no manifest tells which.
    """
    beside = manifest_path(source)
    if marker is None and (not beside.is_file() or made_from(read_manifest(beside), source)):
        return
    evidence = f"its rows carry the mark {marker}" if marker else f"{beside.name} lies beside it"
    raise InputError(
        f"has been corrupted already: {evidence}",
        file=source,
        fix="start from the clean file, give several kinds at once, or pass --force",
    )


def refuse_held_out(source: str | Path, split: str | None) -> None:
    """Raise InputError if a split's or file's name says that it is for evaluation."""
    for what, name in (("split", split or ""), ("file", Path(source).name)):
        words = set(re.split(r"[^a-z]+", re.sub(r"held.out", "heldout", name.lower())))
        found = sorted(words & HELD_OUT)
        if found:
            raise InputError(
                f"the {what} {name!r} is for evaluation, by the word {found[0]!r}",
                file=source,
                expected="training data; what measures must stay clean",
                fix="name the training split, or pass --force",
            )
