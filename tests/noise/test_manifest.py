"""The manifest is enough to make the file again, and notices tampering."""

import json
from dataclasses import replace

import pytest

from gammapo import files, noise
from gammapo.errors import InputError


def test_written_and_read_it_is_the_same(scored, tmp_path):
    manifest = noise.corrupt(scored, "ambiguous", rate=0.3, seed=7, slope=3.0).manifest
    path = noise.write_manifest(tmp_path / "a.noise.json", manifest)
    again = noise.read_manifest(path)
    assert again == manifest
    assert noise.compose(scored, again.steps).manifest == manifest
    with pytest.raises(InputError, match="already exists"):
        noise.write_manifest(path, manifest)


def test_file_names():
    for name in ("noisy.jsonl", "noisy.jsonl.gz", "noisy.json", "noisy.parquet"):
        assert noise.manifest_path(f"folder/{name}").as_posix() == "folder/noisy.noise.json"


def test_a_folder_without_a_name_has_a_place_for_its_manifest_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert noise.manifest_path(".") == tmp_path.parent / f"{tmp_path.name}.noise.json"
    assert noise.manifest_path("/").name == ".noise.json"


def test_tampering_and_foreign_files_are_named(scored, tmp_path):
    path = noise.write_manifest(
        tmp_path / "a.noise.json", noise.corrupt(scored, "symmetric", rate=0.1, seed=0).manifest
    )
    value = json.loads(path.read_text())
    value["changed"].popitem()
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="has been changed since it was written"):
        noise.read_manifest(path)
    for foreign in ("[]", "{}", '{"format": "other"}'):
        path.write_text(foreign)
        with pytest.raises(InputError, match="is no noise manifest"):
            noise.read_manifest(path)


def test_a_manifest_tells_of_the_rows_that_carry_its_mark_only(scored, tmp_path):
    """pairs.jsonl.gz is clean and pairs.jsonl its noisy copy: both have pairs.noise.json beside them."""
    clean, noisy = tmp_path / "pairs.jsonl.gz", tmp_path / "pairs.jsonl"
    clean.write_bytes(b"clean")
    noisy.write_bytes(b"noisy")
    made = noise.corrupt(scored, "symmetric", rate=0.2, seed=0).manifest
    made = replace(made, source_sha256=files.sha256(clean))
    noise.write_manifest(noise.manifest_path(noisy), made)
    assert noise.manifest_of(noisy, made.fingerprint) == made
    assert noise.manifest_of(clean, None) is None
    assert noise.manifest_of(tmp_path / "others.jsonl", "0123456789abcdef") is None
    for marker in (None, "0123456789abcdef"):
        with pytest.raises(InputError, match="tells of labels with the mark"):
            noise.manifest_of(noisy, marker)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"kind": "x", "rate": 0.1, "options": 5}]},
        {"steps": [{"kind": 5, "rate": 1}]},
        {"source": "\ud800"},
    ],
)
def test_a_value_of_the_wrong_type_is_no_traceback(change, tmp_path):
    good = noise.Manifest(steps=(noise.Step(kind="symmetric", rate=0.1),), pairs=10, changed={}).as_dict()
    (tmp_path / "a.noise.json").write_text(json.dumps(good | change))
    with pytest.raises(InputError, match=r"a.noise.json: is no noise manifest"):
        noise.read_manifest(tmp_path / "a.noise.json")
