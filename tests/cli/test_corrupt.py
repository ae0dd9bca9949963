"""`gammapo corrupt`: the file, its manifest, and what it refuses."""

import json
import os
import resource
import subprocess
import sys

import pytest

from gammapo import data, noise
from gammapo.cli.corrupt import parse_spec
from gammapo.errors import InputError


def run(*arguments, modules="", room=None):
    """`gammapo corrupt` in a process of its own; `room` is how many bytes a file may grow to there."""
    code = "from gammapo.cli.app import main; main()"
    command = [sys.executable, "-Bc", code, "corrupt", *map(str, arguments)]

    def limit():
        if room is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    places = os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": places}
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, env=environment)


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


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("name", ["noisy.jsonl", "noisy.jsonl.gz"])
@pytest.mark.parametrize("room", [300, 3000])  # for neither file, and for the first of the two alone
def test_a_full_disk_leaves_all_as_it_was(clean, tmp_path, name, room):
    """The manifest of the old noise goes with the old noisy file, and is not lost for a new one."""
    rows = [{"prompt": f"question {i}", "chosen": os.urandom(30).hex(), "rejected": "no"} for i in range(99)]
    clean.write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = (clean, "--noise", "symmetric", "-o", tmp_path / name)
    for overwrite in ((), ("--overwrite",)):
        before = contents(tmp_path)
        full = run(*arguments, "--rate", "0.05", *overwrite, room=room)
        assert full.returncode == 1, full.stderr
        said = full.stderr.splitlines()[-1]
        named = tmp_path / ("noisy.noise.json" if room == 300 else name)
        assert said.startswith(f"gammapo: {named}: no space is left to write it")
        assert "Traceback" not in full.stderr
        assert contents(tmp_path) == before
        assert run(*arguments, "--rate", "0.2", *overwrite).returncode == 0


def test_a_folder_given_as_an_output_replaces_nothing(clean, tmp_path):
    arguments = (clean, "--noise", "symmetric", "--rate", "0.5", "--overwrite", "-o")
    for folder, output in (("a.jsonl", "a.jsonl"), ("b.noise.json", "b.jsonl")):
        (tmp_path / folder).mkdir()
        before = contents(tmp_path)
        refused = run(*arguments, tmp_path / output)
        assert refused.returncode == 2, refused.stderr
        assert f"{tmp_path / folder}: cannot be written: Is a directory" in refused.stderr
        assert contents(tmp_path) == before


@pytest.fixture
def mixture(clean, tmp_path):
    """A mixture of two files whose rows have ids of their own, so that no id tells of an edit."""
    path = tmp_path / "mix.yaml"
    for name in ("a", "b"):
        rows = [
            {"id": f"{name}{i}", "prompt": f"q {i}", "chosen": f"yes {i}", "rejected": "no"} for i in range(5)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path.write_text("sources: [a.jsonl, b.jsonl]")
    return path


NOISE = ("--noise", "symmetric", "--rate", "0.2")


def test_each_source_of_a_mixture_is_guarded(mixture, tmp_path):
    out = tmp_path / "out.jsonl"
    (tmp_path / "b.jsonl").rename(tmp_path / "my_test.jsonl")
    mixture.write_text("sources: [a.jsonl, my_test.jsonl]")
    refused = run(mixture, *NOISE, "-o", out)
    assert (refused.returncode, "my_test.jsonl: the file" in refused.stderr) == (2, True), refused.stderr
    mixture.write_text("sources: [a.jsonl, {path: saved, split: test}]")
    (tmp_path / "saved").mkdir()
    refused = run(mixture, *NOISE, "-o", out)
    assert (refused.returncode, "saved: the split 'test'" in refused.stderr) == (2, True), refused.stderr
    mixture.write_text("sources: [a.jsonl]")
    noise.write_manifest(tmp_path / "a.noise.json", noise.Manifest(steps=(), pairs=1, changed={}))
    refused = run(mixture, *NOISE, "-o", out)
    assert (refused.returncode, "a.jsonl: has been corrupted already" in refused.stderr) == (2, True)
    assert run(mixture, *NOISE, "-o", out, "--force").returncode == 0


def test_the_manifest_of_a_mixture_knows_its_data_again(mixture, tmp_path):
    out = tmp_path / "mix.yaml.jsonl"  # the one name whose manifest lies beside the mixture
    assert run(mixture, *NOISE, "-o", out).returncode == 0
    manifest = noise.read_manifest(tmp_path / "mix.yaml.noise.json")
    again = data.load_pairs(mixture)
    assert manifest.source_sha256 == data.source_sha256(mixture, again.report.fingerprint)
    other = tmp_path / "other.jsonl"
    assert run(mixture, *NOISE, "-o", other).returncode == 0  # the same clean data: no second round
    edited = tmp_path / "b.jsonl"
    edited.write_text(edited.read_text().replace('"q 3"', '"q 33"'))
    assert data.load_pairs(mixture).report.fingerprint == again.report.fingerprint  # ids stand for prompts
    refused = run(mixture, *NOISE, "-o", other, "--overwrite")
    assert (refused.returncode, "lies beside it" in refused.stderr) == (2, True), refused.stderr


OWN = """
from gammapo.noise import Candidate


def naming(pairs, draw, *, word="Great"):
    for pair in pairs:
        if word in pair.rejected:
            yield Candidate(order=draw(pair.id), result=pair.flipped(), why=f"says {word!r}")


def broken(pairs, draw):
    yield pairs[0].answer


def nothing(pairs, draw):
    return None
"""


@pytest.fixture
def own(tmp_path):
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "own.py").write_text(OWN)
    (folder / "bad.py").write_text("def f(:")
    return folder


def test_a_word_of_digits_stays_a_word(clean, tmp_path, own):
    out = tmp_path / "noisy.jsonl"
    done = run(clean, "--noise", "own:naming:word=5", "--rate", "0.1", "-o", out, modules=own)
    assert done.returncode == 0, done.stderr
    (step,) = noise.read_manifest(tmp_path / "noisy.noise.json").steps
    assert step.options == {"word": "5"}


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("own:broken", 1, "own.py:12: AttributeError: 'PreferencePair' object has no attribute 'answer'"),
        ("own:nothing", 1, "noise own:nothing failed: TypeError: 'NoneType' object is not iterable"),
        ("own:naming:wort=5", 2, "expected 'word'"),
        ("bad:f", 2, "cannot load 'bad:f': SyntaxError"),
        (":x", 2, "cannot load ':x'"),
        ("bad:f:word=5", 2, "cannot load 'bad:f': SyntaxError"),
    ],
)
def test_faults_of_ones_own_noise_are_one_line(clean, tmp_path, own, kind, code, said):
    done = run(clean, "--noise", kind, "--rate", "0.1", "-o", tmp_path / "noisy.jsonl", modules=own)
    assert done.returncode == code, done.stderr
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "noisy.jsonl").exists()


@pytest.mark.parametrize("kind", ["truncate:side", "symmetric:", "truncate:keep"])
def test_what_stands_behind_a_known_kind_is_read_as_options(kind):
    with pytest.raises(InputError, match=r"--noise: cannot read .* as options of .*key=value"):
        parse_spec(kind)


def test_a_value_may_hold_a_colon_and_an_equals_sign():
    assert parse_spec("truncate:side=a:b,keep=0.3") == ("truncate", {"side": "a:b", "keep": 0.3})
    assert parse_spec("truncate:side=x=y")[1] == {"side": "x=y"}
    assert parse_spec("mine:noise") == ("mine:noise", {})
