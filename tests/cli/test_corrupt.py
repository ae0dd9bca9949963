"""`gammapo corrupt`: the file, its manifest, and what it refuses."""

import json
import subprocess
import sys

import pytest

from gammapo import data, noise
from gammapo.cli.corrupt import parse_spec
from gammapo.errors import InputError


def run(*arguments):
    code = "from gammapo.cli.app import main; main()"
    command = [sys.executable, "-c", code, "corrupt", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def clean(tmp_path):
    path = tmp_path / "pairs.jsonl"
    rows = [{"prompt": f"question {i}", "chosen": f"right {i}", "rejected": f"wrong {i}"} for i in range(50)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_file_manifest_and_summary_agree(clean, tmp_path):
    out = tmp_path / "noisy.jsonl"
    done = run(clean, "--noise", "symmetric", "--rate", "0.3", "--seed", "4", "-o", out, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["flipped"] == 15
    before, after = data.load_pairs(clean).pairs, data.load_pairs(out)
    manifest = noise.read_manifest(tmp_path / "noisy.noise.json")
    assert after.report.noise_marker == manifest.fingerprint
    changed = {new.id for new, old in zip(after.pairs, before, strict=True) if new.chosen != old.chosen}
    assert changed == manifest.flipped == set(manifest.changed)
    assert manifest.source == str(clean)
    assert len(manifest.source_sha256) == 64


def test_several_kinds_with_options(clean, tmp_path):
    out = tmp_path / "noisy.jsonl.gz"
    both = ("--noise", "symmetric", "--noise", "truncate:keep=0.5,side=rejected")
    done = run(clean, *both, "--rate", "0.2", "-o", out)
    assert done.returncode == 0, done.stderr
    steps = noise.read_manifest(tmp_path / "noisy.noise.json").steps
    assert [dict(step.options) for step in steps] == [{}, {"keep": 0.5, "side": "rejected"}]
    assert "20" in done.stdout


def test_refusals_exit_2_with_one_sentence(clean, tmp_path):
    out, again = tmp_path / "noisy.jsonl", tmp_path / "again.jsonl"
    held_out = clean.rename(tmp_path / "test.jsonl")
    argument = ("--noise", "symmetric", "--rate", "0.1")
    refused = run(held_out, *argument, "-o", out)
    assert (refused.returncode, "is for evaluation" in refused.stderr) == (2, True)
    assert run(held_out, *argument, "-o", out, "--force").returncode == 0
    moved = out.rename(tmp_path / "moved.jsonl")
    (tmp_path / "noisy.noise.json").unlink()
    for source, arguments, message in (
        (moved, ("-o", again), "has been corrupted already"),
        (held_out, ("-o", moved, "--force"), "already exists"),
        (tmp_path / "none.jsonl", ("-o", again), "no such file"),
    ):
        refused = run(source, *argument, *arguments)
        assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr
        assert "Traceback" not in refused.stderr
    assert not again.exists()


def test_the_clean_file_is_never_the_output(clean, tmp_path):
    before = clean.read_bytes()
    link, mixture = tmp_path / "link.jsonl", tmp_path / "mixture.yaml"
    link.symlink_to(clean)
    mixture.write_text("sources:\n  - {path: pairs.jsonl}\n")
    for source, out in ((clean, clean), (link, clean), (clean, link), (mixture, clean)):
        refused = run(source, "--noise", "symmetric", "--rate", "0.5", "-o", out, "--overwrite")
        assert (refused.returncode, "is the input" in refused.stderr) == (2, True), refused.stderr
    assert clean.read_bytes() == before
    assert not (tmp_path / "pairs.noise.json").exists()


@pytest.mark.parametrize("name", ["noisy.csv", "noisy.parquet", "noisy.json", "noisy"])
def test_json_lines_go_under_no_other_name(clean, tmp_path, name):
    refused = run(clean, "--noise", "symmetric", "--rate", "0.5", "-o", tmp_path / name)
    assert refused.returncode == 2
    assert "ends in .jsonl, or in .jsonl.gz" in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.jsonl"]


@pytest.mark.parametrize("value", ["[", "2024-13-45", "{a", "&"])
def test_an_option_that_is_no_yaml_is_named(value):
    with pytest.raises(InputError, match=r"--noise: cannot read .* as the value of 'keep'"):
        parse_spec(f"truncate:keep={value}")


def test_an_option_that_is_no_yaml_exits_2(clean, tmp_path):
    refused = run(clean, "--noise", "truncate:keep=[", "--rate", "0.5", "-o", tmp_path / "noisy.jsonl")
    assert (refused.returncode, "--noise" in refused.stderr) == (2, True)
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("name", ["a[bold]b", "a[", "[/red]", ":cat:"])
def test_names_are_printed_as_they_are(tmp_path, clean, name, monkeypatch):
    monkeypatch.chdir(tmp_path)  # for names so short that the table need not wrap them
    done = run(clean, "--noise", "symmetric", "--rate", "0.5", "-o", f"{name}.jsonl")
    assert done.returncode == 0, done.stderr
    assert f"output    {name}.jsonl " in done.stdout
