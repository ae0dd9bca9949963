"""Pairs from wherever the user points: one source, or a file that mixes several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gammapo.data.ids import fingerprint
from gammapo.data.load import LoadedPairs, OnBad, check_limit, load_source
from gammapo.data.mixture import is_mixture, load_mixture
from gammapo.errors import InputError


def load_pairs(
    path: str | Path, *, split: str | None = None, limit: int | None = None, on_bad: OnBad = "raise"
) -> LoadedPairs:
    """Read preference pairs from a file, a `datasets` folder, a hub id or a mixture; the columns tell
    the shape.

    Args:
        path: JSONL or JSON (gzip-compressed or not), Parquet, CSV, a folder, a hub id "owner/name", the
            last two with ":CONFIG" behind where they have several configurations, or a YAML file that mixes
            several of them (see `mixture`).
        split: which split of a folder or hub id; needed where there are several. The sources of a mixture
            name their own.
        limit: stop after this many good pairs.
        on_bad: "raise" at the first unusable row, or "drop" such rows and list them in the report; "refuse"
            raises without a word of dropping, for callers that offer no way to it.

    Raises:
        InputError: naming file, line and field; also if no pair is left, or two shapes are mixed.
    """
    if not is_mixture(path):
        return load_source(path, split=split, limit=limit, on_bad=on_bad)
    if split is not None:
        raise InputError(
            f"a mixture has no split {split!r}",
            file=path,
            field="split",
            expected="a split at each source that has several, as {path: …, split: …}",
            fix="leave the split out here, and name it in the file",
        )
    check_limit(limit)
    mixed = load_mixture(path, on_bad=on_bad)
    if limit is None or limit >= len(mixed.pairs):
        return mixed
    kept = mixed.pairs[:limit]
    report = replace(mixed.report, pairs=len(kept), fingerprint=fingerprint(kept))
    return LoadedPairs(pairs=kept, report=report)
