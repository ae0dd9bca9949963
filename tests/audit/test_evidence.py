"""Evidence from ledger rows: first visits, averages, a common scale."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gammapo.audit import evidence, read_ledger
from gammapo.errors import InputError


def test_first_and_mean_on_a_common_scale():
    """Six gaps of one size 2: the root mean square is 2 everywhere, so evidence is ±1."""
    found = evidence(
        ["b", "a", "b", "a", "b", "c"], np.array([1, 0, 2, 3, 4, 5]), np.array([2.0, -2, -2, 2, 2, 2])
    )
    assert found.ids == ("a", "b", "c")
    assert found.first == pytest.approx([-1, 1, 1])
    assert found.mean == pytest.approx([0, 1 / 3, 1])
    assert list(found.visits) == [2, 3, 1]
    assert found.when == pytest.approx([0, 0.2, 1])


def test_scale_follows_training():
    """Gaps that grow a hundredfold over training count alike."""
    steps = np.arange(4000)
    gaps = np.where(steps % 2 == 0, 1.0, -1.0) * 10 ** (steps / 2000)
    found = evidence([str(i) for i in steps], steps, gaps)
    assert np.abs(found.first).min() > 0.7
    assert np.abs(found.first).max() < 1.4


def test_rows_without_a_gap_are_left_out():
    found = evidence(["a", "a", "b"], np.array([0, 1, 2]), np.array([np.nan, 1.0, 1.0]))
    assert list(found.visits) == [1, 1]
    with pytest.raises(InputError, match="no finite gap"):
        evidence(["a"], np.array([0]), np.array([np.nan]))


def test_ledger_of_a_run_folder(make_run, some, tmp_path):
    run = make_run(some(0.2), pairs=100, epochs=2)
    pq.write_table(run.table(), tmp_path / "ledger.parquet")
    found = read_ledger(tmp_path)
    assert found.mean == pytest.approx(evidence(run.ids, run.steps, run.gaps).mean)
    assert set(found.visits) == {2}


def test_what_is_no_ledger_is_named(tmp_path):
    with pytest.raises(InputError, match="no ledger there"):
        read_ledger(tmp_path)
    (tmp_path / "ledger.parquet").write_text("text")
    with pytest.raises(InputError, match="not readable as Parquet"):
        read_ledger(tmp_path)
    pq.write_table(pa.table({"pair_id": ["a"]}), tmp_path / "ledger.parquet")
    with pytest.raises(InputError, match="step: no column 'step'"):
        read_ledger(tmp_path)
