"""Reading a training run's `metrics.jsonl` and `ledger.parquet`, and the noise manifest beside its pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gammapo.errors import InputError
from gammapo.files import open_text, read_json, split_lines

BINS = 24
AGAIN = "train again (`gammapo train` goes on from the last good checkpoint)"


def read_metrics(path: str | Path) -> list[dict[str, Any]]:
    """The logging steps. A last line that was cut short by a kill is left out; any other is an error."""
    with open_text(path) as source:
        lines = split_lines(source.read())
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                break
            raise InputError(f"not valid JSON: {error.msg}", file=path, line=number, fix=AGAIN) from error
        if not isinstance(row, dict):
            raise InputError("not a JSON object", file=path, line=number, expected="one object a line")
        rows.append(row)
    return rows


def read_manifest(path: str | Path) -> dict[str, Any]:
    """A noise manifest as `gammapo corrupt` writes it; the report needs `changed`, `pairs` and `steps` of it.

    Raises:
        InputError: no JSON object with `changed`, from pair id to what befell the pair; or the count of pairs
            or a step of the noise is of the wrong kind.
    """
    manifest = read_json(path)
    changed = manifest.get("changed") if isinstance(manifest, dict) else None
    if not isinstance(changed, dict) or not all(_is_change(one) for one in changed.values()):
        raise InputError(
            "is no noise manifest",
            file=path,
            field="changed",
            expected="an object from pair id to its change",
        )
    pairs, steps = manifest.get("pairs"), manifest.get("steps") or [manifest]
    if not isinstance(pairs, int | None):
        raise InputError(f"got {pairs!r}", file=path, field="pairs", expected="a count, or null")
    if not isinstance(steps, list) or not all(_is_step(step) for step in steps):
        raise InputError("got another thing", file=path, field="steps", expected="objects with kind and rate")
    return manifest


def _is_change(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("change"), str | None)


def _is_step(step: Any) -> bool:
    return isinstance(step, dict) and isinstance(step.get("rate"), int | float | None)


def flipped_ids(manifest: Mapping[str, Any]) -> set[str]:
    """Ids of the pairs whose label the manifest says is the wrong way round."""
    return {name for name, change in manifest["changed"].items() if change.get("change") == "flip"}


def read_ledger(path: str | Path) -> dict[str, np.ndarray]:
    """Columns of the ledger; a value that the loss does not have is NaN."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"cannot be read as Parquet: {error}", file=path, fix=AGAIN) from error
    missing = {"pair_id", "step", "reward_gap"} - set(table.column_names)
    if missing:
        raise InputError("is missing in the ledger", file=path, field=sorted(missing)[0], fix=AGAIN)
    columns = {}
    for name in table.column_names:
        values = table[name].to_pylist()
        try:
            columns[name] = np.array(values) if name == "pair_id" else np.array(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError("holds no numbers", file=path, field=name, fix=AGAIN) from error
    return columns


def groups(ledger: Mapping[str, np.ndarray], flipped: set[str] | None) -> dict[str, np.ndarray]:
    """Masks of the ledger's rows: clean and flipped where that is known, all pairs otherwise."""
    if not flipped:
        return {"all pairs": np.ones(len(ledger["step"]), dtype=bool)}
    is_flipped = np.isin(ledger["pair_id"], sorted(flipped))
    return {"clean": ~is_flipped, "flipped": is_flipped}


def bands(
    ledger: Mapping[str, np.ndarray], column: str, masks: Mapping[str, np.ndarray], *, bins: int | None = None
) -> list[dict[str, Any]]:
    """Median and 10 % and 90 % quantiles of a column over training, in bins of equally many rows: by default
    as many as leave some 60 rows in each, at least 6 and at most BINS."""
    step, values = ledger["step"], ledger.get(column)
    if values is None or not np.isfinite(values).any():
        return []
    bins = bins or int(np.clip(len(step) // 60, 6, BINS))
    edges = np.unique(np.quantile(step, np.linspace(0, 1, bins + 1)))
    place = np.clip(np.searchsorted(edges, step, side="right") - 1, 0, max(len(edges) - 2, 0))
    rows = []
    for group, mask in masks.items():
        for index in range(max(len(edges) - 1, 1)):
            here = values[mask & (place == index) & np.isfinite(values)]
            if len(here) >= 3:
                low, mid, high = (round(float(q), 5) for q in np.quantile(here, (0.1, 0.5, 0.9)))
                middle = float(step[mask & (place == index)].mean())
                rows.append({"group": group, "step": round(middle, 2), "low": low, "mid": mid, "high": high})
    return rows


def last_visits(ledger: Mapping[str, np.ndarray]) -> np.ndarray:
    """Mask of each pair's last row."""
    ids = ledger["pair_id"]
    order = np.lexsort((np.arange(len(ids)), ledger["step"]))[::-1]
    _, first = np.unique(ids[order], return_index=True)
    mask = np.zeros(len(ids), dtype=bool)
    mask[order[first]] = True
    return mask


def histogram(values: np.ndarray, masks: Mapping[str, np.ndarray], *, bins: int = 28) -> list[dict[str, Any]]:
    """Shares of each group on common bins that span the middle 99 %; the tails are put into the end bins."""
    finite = np.isfinite(values)
    if not finite.any():
        return []
    low, high = np.quantile(values[finite], (0.005, 0.995))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    rows = []
    for group, mask in masks.items():
        here = np.clip(values[mask & finite], edges[0], edges[-1])
        counts = np.histogram(here, edges)[0] / max(len(here), 1)
        for left, right, share in zip(edges[:-1], edges[1:], counts, strict=True):
            left, right = round(float(left), 5), round(float(right), 5)
            rows.append({"group": group, "left": left, "right": right, "share": round(float(share), 5)})
    return rows


def auroc(positive: np.ndarray, negative: np.ndarray) -> float | None:
    """Probability that a positive lies above a negative, ties counted half (Mann–Whitney)."""
    from scipy.stats import rankdata

    n, m = len(positive), len(negative)
    if not n or not m:
        return None
    ranks = rankdata(np.concatenate([positive, negative]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))
