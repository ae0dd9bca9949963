"""Pairs from wherever the user points: one source, or a file that mixes several."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gammapo.data.load import LoadedPairs, OnBad, load_source
from gammapo.data.mixture import is_mixture, load_mixture


def load_pairs(
    path: str | Path, *, split: str | None = None, limit: int | None = None, on_bad: OnBad = "raise"
) -> LoadedPairs:
    """Read preference pairs from a file, a `datasets` folder, a hub id or a mixture; the columns tell
    the shape.

    Args:
        path: JSONL or JSON (gzip-compressed or not), Parquet, a folder, a hub id "owner/name", or a YAML
            file that mixes several of them (see `mixture`).
        split: which split of a folder or hub id; needed where there are several.
        limit: stop after this many good pairs.
        on_bad: "raise" at the first unusable row, or "drop" such rows and list them in the report.

    Raises:
        InputError: naming file, line and field; also if no pair is left, or two shapes are mixed.
    """
    if not is_mixture(path):
        return load_source(path, split=split, limit=limit, on_bad=on_bad)
    mixed = load_mixture(path, on_bad=on_bad)
    mixed.report.pairs = min(mixed.report.pairs, limit or mixed.report.pairs)
    return mixed if limit is None else replace(mixed, pairs=mixed.pairs[:limit])
