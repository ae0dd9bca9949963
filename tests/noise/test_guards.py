"""Noisy files and held-out splits are refused; names that merely contain the letters are not."""

import pytest

from gammapo import noise
from gammapo.errors import InputError


@pytest.mark.parametrize(
    ("file", "split"),
    [
        ("harmless_base_test.jsonl.gz", None),
        ("pairs.eval.jsonl", None),
        ("held-out.jsonl", None),
        ("owner/name", "test_prefs"),
        ("pairs.jsonl", "validation"),
    ],
)
def test_held_out_names_are_refused(file, split):
    with pytest.raises(InputError, match="is for evaluation"):
        noise.refuse_held_out(file, split)


@pytest.mark.parametrize("file", ["pairs.jsonl", "latest.jsonl", "contest_train.jsonl", "devices.json"])
def test_other_names_pass(file):
    noise.refuse_held_out(file, "train_prefs")


def test_a_manifest_beside_or_a_marker_is_refused(tmp_path):
    source = tmp_path / "noisy.jsonl"
    noise.refuse_corrupted(source, None)
    with pytest.raises(InputError, match="carry the mark abc"):
        noise.refuse_corrupted(source, "abc")
    (tmp_path / "noisy.noise.json").write_text("{}")
    with pytest.raises(InputError, match="noisy.noise.json lies beside it"):
        noise.refuse_corrupted(source, None)
