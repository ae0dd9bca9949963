import json

import numpy as np
import pytest

from gammapo.errors import InputError
from gammapo.report import training_files as tf


def test_a_last_line_cut_by_a_kill_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [row["step"] for row in tf.read_metrics(path)] == [1, 2]


def test_unicode_line_ends_stay_inside_a_row(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "note": "a\u2028b\u0085c"}\n{"step": 2}\n', encoding="utf-8")
    assert tf.read_metrics(path) == [{"step": 1, "note": "a\u2028b\u0085c"}, {"step": 2}]


def test_only_flips_count_as_flipped():
    changed = {"a": {"change": "flip"}, "b": {"change": "truncate"}}
    assert tf.flipped_ids({"changed": changed}) == {"a"}


def test_manifest_as_the_noise_room_writes_it(tmp_path):
    from gammapo.noise.manifest import Change, Manifest, Step, write_manifest

    changed = {"p1": Change(kind="symmetric", change="flip", why="drawn")}
    manifest = Manifest(steps=(Step(kind="symmetric", rate=0.5),), pairs=2, changed=changed)
    path = write_manifest(tmp_path / "pairs.noise.json", manifest)
    found = tf.read_manifest(path)
    assert tf.flipped_ids(found) == {"p1"}
    assert found["pairs"] == 2


@pytest.mark.parametrize("value", [[], {}, {"changed": ["a"]}, {"changed": {"a": 1}}])
def test_what_is_no_manifest_is_refused(tmp_path, value):
    (tmp_path / "m.json").write_text(json.dumps(value))
    with pytest.raises(InputError, match="noise manifest"):
        tf.read_manifest(tmp_path / "m.json")


def test_auroc_by_hand():
    """Of the 4 pairs (positive, negative), 3 > 1, 3 > 2, 2 > 1 and 2 = 2: (3 + ½)/4."""
    assert tf.auroc(np.array([3.0, 2.0]), np.array([1.0, 2.0])) == pytest.approx(3.5 / 4)
    assert tf.auroc(np.array([]), np.array([1.0])) is None


def test_last_visits_are_the_latest_of_each_pair():
    ledger = {"pair_id": np.array(["a", "b", "a", "b"]), "step": np.array([1, 2, 4, 3])}
    assert tf.last_visits(ledger).tolist() == [False, False, True, True]


def test_bands_by_hand():
    """Ten clean values 0…9 and ten flipped 10…19 in one bin: medians 4.5, 14.5, 10 % quantiles 0.9, 10.9."""
    step = np.ones(20)
    ledger = {"pair_id": np.array([str(i) for i in range(20)]), "step": step, "reward_gap": np.arange(20.0)}
    masks = tf.groups(ledger, {str(i) for i in range(10, 20)})
    rows = tf.bands(ledger, "reward_gap", masks, bins=1)
    assert rows == [
        {"group": "clean", "step": 1.0, "low": 0.9, "mid": 4.5, "high": 8.1},
        {"group": "flipped", "step": 1.0, "low": 10.9, "mid": 14.5, "high": 18.1},
    ]
    assert tf.bands(ledger, "clarity", masks) == []


def test_without_a_manifest_all_pairs_are_one_group():
    assert list(tf.groups({"step": np.ones(3)}, None)) == ["all pairs"]


def test_histogram_shares_sum_to_one_with_tails_kept():
    values = np.concatenate([np.linspace(0, 1, 1000), [1e6]])
    rows = tf.histogram(values, {"all pairs": np.ones(1001, dtype=bool)})
    assert sum(row["share"] for row in rows) == pytest.approx(1, abs=1e-3)
    assert rows[-1]["right"] < 2
