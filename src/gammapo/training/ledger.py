"""The ledger: what the loss thought of every pair at every visit, by pair id, in one Parquet file.

Values stay on the device until the next logging step, so keeping the ledger costs no host sync of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from gammapo.types import LossOutput

COLUMNS = ("reward_gap", "target_margin", "clarity", "weight", "loss")  # clarity and weight may be null
SCHEMA = pa.schema(
    [("pair_id", pa.string()), ("step", pa.int32()), ("epoch", pa.float32())]
    + [(name, pa.float32()) for name in COLUMNS]
)


class Ledger:
    """Rows in the order of training. `pending` rows still lie on the device."""

    def __init__(self) -> None:
        self._tables: list[pa.Table] = []
        self._pending: list[tuple[Sequence[str], int, float, Tensor]] = []

    def add(self, ids: Sequence[str], step: int, epoch: float, output: LossOutput) -> None:
        """Note one step's pairs (B,). NaN stands for a value that the loss does not have."""
        missing = torch.full_like(output.per_pair, torch.nan)
        values = torch.stack(
            [
                output.reward_gaps,
                output.target_margins,
                missing if output.clarity is None else output.clarity,
                missing if output.weights is None else output.weights,
                output.per_pair,
            ]
        )
        self._pending.append((ids, step, epoch, values.detach().float()))

    def flush(self) -> None:
        """Bring the pending rows to the host, in one transfer."""
        if not self._pending:
            return
        values = torch.cat([entry[3] for entry in self._pending], dim=1).cpu().numpy()
        ids = [one for entry in self._pending for one in entry[0]]
        steps = [entry[1] for entry in self._pending for _ in entry[0]]
        epochs = [entry[2] for entry in self._pending for _ in entry[0]]
        columns = [pa.array(row, pa.float32(), mask=row != row) for row in values]  # NaN → null
        self._tables.append(pa.Table.from_arrays([pa.array(ids), steps, epochs, *columns], schema=SCHEMA))
        self._pending.clear()

    def table(self) -> pa.Table:
        self.flush()
        return pa.concat_tables(self._tables) if self._tables else SCHEMA.empty_table()

    def save(self, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        pq.write_table(self.table(), temporary, compression="zstd")
        temporary.replace(path)

    def load(self, path: Path) -> None:
        self._pending.clear()
        self._tables = [pq.read_table(path).cast(SCHEMA)]
