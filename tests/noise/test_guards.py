"""Noisy files and held-out splits are refused; names that merely contain the letters are not."""

import pytest

from gammapo import files, noise
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
    source.write_text("{}\n")
    noise.write_manifest(tmp_path / "noisy.noise.json", noise.Manifest(steps=(), pairs=1, changed={}))
    with pytest.raises(InputError, match="noisy.noise.json lies beside it"):
        noise.refuse_corrupted(source, None)


def test_the_clean_file_beside_its_own_noisy_copy_passes(tmp_path):
    clean = tmp_path / "pairs.jsonl.gz"
    clean.write_bytes(b"clean")
    made = noise.Manifest(steps=(), pairs=1, changed={}, source_sha256=files.sha256(clean))
    noise.write_manifest(tmp_path / "pairs.noise.json", made)
    noise.refuse_corrupted(clean, None)
    clean.write_bytes(b"other")
    with pytest.raises(InputError, match="lies beside it"):
        noise.refuse_corrupted(clean, None)


def test_data_that_is_no_single_file_is_known_by_its_hash(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    made = noise.Manifest(steps=(), pairs=1, changed={}, source_sha256="abc")
    noise.write_manifest(tmp_path / "pairs.noise.json", made)
    noise.refuse_corrupted(folder, None, "abc")
    assert noise.manifest_of(folder, None, "abc") is None
    with pytest.raises(InputError, match="lies beside it"):
        noise.refuse_corrupted(folder, None, "other")
    with pytest.raises(InputError, match="tells of labels with the mark"):
        noise.manifest_of(folder, None, "other")


def test_the_way_out_holds_for_every_verb(tmp_path):
    """Only `corrupt` has --force; train and repair meet this error too."""
    with pytest.raises(
        InputError, match="leave out the noise asked for now; `gammapo corrupt` takes .*--force"
    ):
        noise.refuse_corrupted(tmp_path / "noisy.jsonl", "abc")
