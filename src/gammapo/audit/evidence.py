"""What a training run's ledger says of each pair: gaps on a common scale, at the first visit and on average.

The first visit is the cleanest witness: the model has not trained on the pair, so its gap cannot have been
pulled towards the pair's label. Later visits know more and are less impartial.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gammapo.audit.witness import Witnesses
from gammapo.errors import InputError

NEEDED = ("pair_id", "step", "epoch", "reward_gap")
WINDOW = 256  # visits over which the scale of the gaps is taken
AGAIN = "train again (`gammapo train` goes on from the last good checkpoint)"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One entry a pair, in the order of first visits; arrays are (n,).

    `first` is the gap at the first visit and `mean` the average over all visits, each divided by the
    root-mean-square gap of the visits around it (no unit, not centred: positive agrees with the label).
    `when` is the place of the first visit in training, from 0 to 1; `visits` counts visits.
    """

    ids: tuple[str, ...]
    first: np.ndarray
    mean: np.ndarray
    when: np.ndarray
    visits: np.ndarray


def read_ledger(run: str | Path) -> Evidence:
    """The evidence in a run folder (or in a ledger.parquet).

    Raises:
        InputError: no such folder or file, a missing column, or no finite gap.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    path = Path(run)
    path = path / "ledger.parquet" if path.is_dir() else path
    if not path.is_file():
        raise InputError(
            "no ledger there", file=path, expected="the folder of a finished `gammapo train` run"
        )
    try:
        table = parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"not readable as Parquet: {str(error).splitlines()[0]}", file=path, fix=AGAIN
        ) from error
    for name in NEEDED:
        if name not in table.column_names:
            raise InputError(f"no column {name!r}", file=path, field=name, expected=", ".join(NEEDED))
    return evidence(
        table["pair_id"].to_pylist(),
        table["step"].to_numpy(),
        np.asarray(table["reward_gap"].to_numpy(), dtype=float),
    )


def first_visits(found: Evidence) -> Witnesses:
    """The gap at each pair's first visit as a witness: the model had not been trained on the label then."""
    return Witnesses(ids=found.ids, names=("first visit",), values=found.first[:, None])


def evidence(ids: list[str], steps: np.ndarray, gaps: np.ndarray) -> Evidence:
    """Evidence from rows in any order; rows without a finite gap are left out.

    Raises:
        InputError: no row is left.
    """
    order = np.argsort(steps, kind="stable")
    order = order[np.isfinite(gaps[order])]
    if len(order) == 0:
        raise InputError("the ledger holds no finite gap", field="reward_gap", fix=AGAIN)
    scaled = gaps[order] / _running_rms(gaps[order])
    place = np.arange(len(order)) / max(len(order) - 1, 1)
    first: dict[str, int] = {}
    total: dict[str, float] = {}
    count: dict[str, int] = {}
    for position, index in enumerate(order):
        name = ids[index]
        first.setdefault(name, position)
        total[name] = total.get(name, 0.0) + scaled[position]
        count[name] = count.get(name, 0) + 1
    positions = np.fromiter(first.values(), dtype=int)
    visits = np.array([count[name] for name in first])
    return Evidence(
        ids=tuple(first),
        first=scaled[positions],
        mean=np.array([total[name] for name in first]) / visits,
        when=place[positions] / max(place[positions].max(), 1e-12),
        visits=visits,
    )


def _running_rms(gaps: np.ndarray) -> np.ndarray:
    """Root mean square over a centred window, so that gaps of early and late training compare."""
    half = min(WINDOW, len(gaps)) // 2
    sums = np.concatenate([[0.0], np.cumsum(gaps**2)])
    left = np.clip(np.arange(len(gaps)) - half, 0, None)
    right = np.clip(np.arange(len(gaps)) + half + 1, None, len(gaps))
    return np.sqrt((sums[right] - sums[left]) / (right - left)) + 1e-12
