"""`gammapo audit`: a table, JSON, a page and a cleaned file."""

import json
import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gammapo import noise
from gammapo.cli.audit import as_trained
from gammapo.data import MARKER, load_pairs, write_pairs
from gammapo.errors import InputError


@pytest.fixture
def run(run):
    return lambda *arguments: run("audit", *arguments)


@pytest.fixture
def path(tmp_path):
    rows = [
        {"prompt": f"question {i}", "chosen": f"Yes, {i}.", "rejected": "I cannot help."} for i in range(6)
    ]
    rows.append({"prompt": "question 0", "chosen": "I cannot help.", "rejected": "Yes, 0."})
    rows.append({"prompt": "question 9", "chosen": "", "rejected": "No."})
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_json_page_and_cleaned_file(run, path, tmp_path, tiny_model_dir):
    evaluation = tmp_path / "prompts.txt"
    evaluation.write_text("Question 3?\n")
    outputs = ("--html", tmp_path / "a.html", "--clean", tmp_path / "clean.jsonl")
    checks = ("--eval", evaluation, "--model", tiny_model_dir, "--max-length", 20)
    code, out, err = run(path, *outputs, *checks, "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    counts = {name: one["pairs"] for name, one in found["findings"].items()}
    assert (counts["contradiction"], counts["leakage"], counts["unusable"], counts["too_long"]) == (
        2,
        1,
        1,
        7,
    )
    assert found["cleaned"]["kept"] == 4
    assert len(load_pairs(tmp_path / "clean.jsonl").pairs) == 4
    assert (tmp_path / "a.html").stat().st_size > 5000


def test_table_and_refusals(run, path, tmp_path):
    code, out, _ = run(path)
    assert code == 0
    assert "contradictory duplicates" in out
    (tmp_path / "clean.jsonl").write_text("mine")
    code, out, err = run(path, "--clean", tmp_path / "clean.jsonl")
    assert (code, out) == (2, "")
    assert "already exists" in err
    assert (tmp_path / "clean.jsonl").read_text() == "mine"
    assert run(path, "--clean", tmp_path / "c.jsonl", "--drop", "refusals")[0] == 2


@pytest.fixture
def trained(tmp_path):
    """A clean pair file, and the folder of a run that corrupted 30 % of it and whose gaps show the flips."""
    rows = [{"prompt": f"q{i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(200)]
    source = tmp_path / "train.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = noise.corrupt(load_pairs(source).pairs, "symmetric", rate=0.3, seed=1)
    run = tmp_path / "run"
    run.mkdir()
    noise.write_manifest(run / "noise.json", done.manifest)
    rng = np.random.default_rng(0)
    gaps = [rng.normal(-2 if pair.id in done.manifest.flipped else 2, 1.2) for pair in done.pairs]
    table = {"pair_id": [pair.id for pair in done.pairs], "step": list(range(200)), "epoch": [0.0] * 200}
    pq.write_table(pa.table({**table, "reward_gap": gaps}), run / "ledger.parquet")
    return source, run


def test_after_training(run, trained, tmp_path):
    source, folder = trained
    fixed = tmp_path / "fixed.jsonl"
    outputs = ("--html", tmp_path / "run.html", "--repair", fixed)
    code, out, err = run(source, "--run", folder, *outputs, "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    assert found["truth"]["auroc"] > 0.95
    low, high = found["estimated_flip_rate_ci95"]
    assert low < 0.3 < high
    assert found["estimated_flip_rate_fitted"] > 0.1
    assert found["repaired"]["right"] > 25
    mended = {pair.id: pair.chosen for pair in load_pairs(fixed).pairs}
    clean = {pair.id: pair.chosen for pair in load_pairs(source).pairs}
    assert sum(mended[name] == clean[name] for name in clean) > 160  # 140 were right before
    code, out, _ = run(source, "--run", folder)
    assert code == 0
    assert "wrong labels, estimated" in out
    assert "AUROC" in out
    code, out, _ = run(source, "--run", folder, "--by", "ledger", "--format", "json")
    assert code == 0
    assert abs(json.loads(out)["estimated_flip_rate"] - 0.3) < 0.08


def test_after_training_refusals(run, trained, path):
    source, folder = trained
    assert run(source, "--run", folder / "none")[0] == 2
    (folder / "noise.json").unlink()
    code, out, err = run(path, "--run", folder)
    assert (code, out) == (2, "")
    assert "are in the pair file" in err


def test_by_texts_alone(run, tmp_path):
    """The better answer names what was asked for; 30 % of the labels are turned round."""
    things = [f"thing{i}x" for i in range(120)]
    rows = [{"prompt": f"Tell of {t}", "chosen": f"A {t} it is.", "rejected": "It is such."} for t in things]
    source, noisy = tmp_path / "clean.jsonl", tmp_path / "noisy.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run(source, "--text", "--run", tmp_path)[0] == 2
    done = noise.corrupt(load_pairs(source).pairs, "symmetric", rate=0.3, seed=0)
    write_pairs(noisy, done.pairs, extra={MARKER: done.manifest.fingerprint})
    noise.write_manifest(noise.manifest_path(noisy), done.manifest)
    code, out, err = run(noisy, "--text", "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    assert found["truth"]["auroc"] == 1.0
    assert found["surest_pairs"] == 20


def test_by_cross_fitting(run, trained, tmp_path, tiny_model_dir):
    source, _ = trained
    recipe = tmp_path / "recipe.yaml"
    content = {"model": {"path": str(tiny_model_dir)}, "data": {"path": "x"}, "loss": {"name": "simpo"}}
    content |= {"training": {"learning_rate": 5e-3, "pairs_per_step": 20}, "output": "x"}
    recipe.write_text(json.dumps(content))
    code, _, err = run(source, "--cross-fit", 2)
    assert code == 2
    assert "--recipe and --folder" in err
    ways = ("--cross-fit", 2, "--recipe", recipe, "--folder", tmp_path / "cf")
    code, out, err = run(source, *ways, "--html", tmp_path / "cf.html")
    assert code == 0, err
    assert "read off the surest" in out
    assert "an upper bound if" in (tmp_path / "cf.html").read_text()


def test_a_run_on_the_first_pairs_is_audited_by_the_labels_that_it_saw(run, tmp_path):
    """The clearest pairs of the whole file are not those of its first half, which the run corrupted."""
    rows = [
        {"prompt": f"q{i}", "chosen": f"yes {i}", "rejected": f"no {i}"}
        | {"score_chosen": i, "score_rejected": 0}
        for i in range(100)
    ]
    source, folder = tmp_path / "all.jsonl", tmp_path / "run"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.mkdir()
    loaded = load_pairs(source)
    done = noise.corrupt(loaded.pairs[:50], "confident", rate=0.3, seed=1)
    noise.write_manifest(folder / "noise.json", done.manifest)
    pairs, manifest = as_trained(str(source), loaded, folder)
    assert list(pairs) == done.pairs
    assert manifest == done.manifest
    rows[0], rows[80] = rows[80], rows[0]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match="is not what .*run was trained on"):
        as_trained(str(source), load_pairs(source), folder)


@pytest.fixture
def half_trained(tmp_path):
    """100 pairs, and the folder of a run on the first 60, of whose labels it turned 30 %."""
    rows = [{"prompt": f"q{i}", "chosen": f"yes {i}", "rejected": f"no {i}"} for i in range(100)]
    source, folder = tmp_path / "all.jsonl", tmp_path / "run"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder.mkdir()
    done = noise.corrupt(load_pairs(source).pairs[:60], "symmetric", rate=0.3, seed=1)
    noise.write_manifest(folder / "noise.json", done.manifest)
    rng = np.random.default_rng(0)
    gaps = [rng.normal(-2 if pair.id in done.manifest.flipped else 2, 1.2) for pair in done.pairs]
    table = {"pair_id": [pair.id for pair in done.pairs], "step": list(range(60)), "epoch": [0.0] * 60}
    pq.write_table(pa.table({**table, "reward_gap": gaps}), folder / "ledger.parquet")
    return source, folder, done


@pytest.mark.parametrize("how", ["flip", "drop"])
def test_pairs_that_the_run_did_not_read_stay_in_the_repaired_file(run, half_trained, tmp_path, how):
    source, folder, done = half_trained
    fixed = tmp_path / "fixed.jsonl"
    code, out, err = run(source, "--run", folder, "--repair", fixed, "--how", how, "--format", "json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["pairs"], found["not_judged"]) == (60, 40)
    mended, given = load_pairs(fixed).pairs, load_pairs(source).pairs
    assert [(pair.id, pair.chosen) for pair in mended[-40:]] == [
        (pair.id, pair.chosen) for pair in given[60:]
    ]
    gone = found["repaired"]["changed"] if how == "drop" else 0
    assert len(mended) == found["repaired"]["kept"] == 100 - gone
    if how == "flip":
        seen = {pair.id: pair.chosen for pair in done.pairs}
        changed = [pair for pair in mended[:60] if pair.chosen != seen[pair.id]]
        assert len(changed) == found["repaired"]["changed"]
    code, out, _ = run(source, "--run", folder, "--repair", fixed, "--how", how, "--overwrite")
    assert code == 0
    assert "in the file, not judged" in out
    assert "40 were not judged and stay as they are" in out


def test_the_mark_of_noise_stays_without_its_manifest(run, tmp_path):
    """So that no second round of noise on the repaired file goes unnoticed."""
    rows = [
        {"prompt": f"Tell of thing{i}x", "chosen": f"A thing{i}x it is.", "rejected": "It is such."}
        | {MARKER: "0123456789abcdef"}
        for i in range(60)
    ]
    moved, fixed = tmp_path / "moved.jsonl", tmp_path / "fixed.jsonl"
    moved.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = run(moved, "--text", "--repair", fixed)
    assert code == 0, err
    assert load_pairs(fixed).report.noise_marker == "0123456789abcdef"


def test_no_input_is_ever_an_output(run, path, half_trained, tmp_path):
    source, folder, _ = half_trained
    evaluation, mixture = tmp_path / "eval.jsonl", tmp_path / "mix.yaml"
    evaluation.write_text('{"instruction": "a"}\n')
    mixture.write_text("sources: [pairs.jsonl]")
    beside = tmp_path / "pairs.noise.json"
    beside.write_text("{}")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{}")
    cross = ("--cross-fit", 2, "--folder", tmp_path / "cf", "--recipe", recipe)

    def all_files():
        return {one: one.read_bytes() for one in tmp_path.rglob("*") if one.is_file()}

    before = all_files()
    for arguments in (
        (path, "--html", path),
        (path, "--html", evaluation, "--eval", evaluation),
        (path, "--clean", evaluation, "--eval", evaluation),
        (path, "--html", beside),
        (mixture, "--html", path),
        (mixture, "--html", mixture),
        (source, "--text", "--html", source),
        (source, "--text", "--repair", source),
        (source, "--run", folder, "--html", folder / "ledger.parquet"),
        (source, "--run", folder, "--html", folder / "noise.json"),
        (source, *cross, "--html", recipe),
    ):
        code, _, err = run(*arguments, "--overwrite")
        assert (code, "is the input" in err) == (2, True), (arguments, err)
    assert all_files() == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("e.txt", "other\n\nquestion 3?\n"),
        ("E.TXT", "[other]\n\nquestion 3?\n"),
        ("e.jsonl", '{"instruction": "other"}\n\n{"instruction": "question 3"}\n'),
        (
            "e.jsonl",
            '{"prompt":"o","chosen":"a","rejected":"b"}\n\n'
            '{"prompt":"question 3","chosen":"a","rejected":"b"}\n',
        ),
        ("e.json", '[{"instruction": "other"},\n\n\n{"instruction": "o"}, {"instruction": "question 3"}]'),
        ("e.csv", 'prompt,chosen,rejected\no,"a\nb",b\n,c,b\no,a,b\nquestion 3,a,b\n'.replace("\n,c,b", "")),
    ],
)
def test_leakage_names_the_line_or_else_the_row(run, path, tmp_path, name, content):
    (tmp_path / name).write_text(content)
    code, out, err = run(path, "--eval", tmp_path / name, "--format", "json")
    assert code == 0, err
    (hit,) = json.loads(out)["findings"]["leakage"]["hits"]
    assert f"the same as {tmp_path / name}:3" in hit["detail"]


def test_leakage_from_a_mixture_names_the_file_that_it_lists(run, path, tmp_path):
    listed, mixture = tmp_path / "e.jsonl", tmp_path / "mix.yaml"
    listed.write_text('\n{"prompt": "question 3", "chosen": "a", "rejected": "b"}\n')
    mixture.write_text("sources: [e.jsonl]")
    code, out, err = run(path, "--eval", mixture, "--format", "json")
    assert code == 0, err
    (hit,) = json.loads(out)["findings"]["leakage"]["hits"]
    assert hit["detail"] == f"the same as {listed}:2"


@pytest.mark.parametrize("way", [("--cross-fit", "2"), ("--run", "run", "--by", "ledger")])
def test_a_seed_below_zero_is_refused(run, path, way):
    code, out, err = run(path, *way, "--seed", "-1")
    assert (code, out) == (2, "")
    assert "--seed" in err


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--repair", "r.jsonl"), "--repair"),
        (("--text", "--clean", "c.jsonl"), "--clean"),
        (("--text", "--model", "tiny"), "--model"),
        (("--text", "--by", "ledger"), "--by"),
        (("--text", "--how", "drop"), "--how"),
        (("--text", "--recipe", "r.yaml"), "--recipe"),
        (("--drop", "repeat"), "--drop"),
        (("--max-length", "-5"), "--max-length"),
        (("--clean", "c.jsonl", "--drop", "too_long"), "--drop"),
    ],
)
def test_an_option_without_a_part_is_refused(run, path, tmp_path, monkeypatch, given, named):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(path, *given)
    assert (code, out) == (2, "")
    assert named in err
    assert sorted(tmp_path.iterdir()) == [path]


def test_texts_that_say_nothing_repair_nothing(run, tmp_path):
    """Both answers are drawn alike, so no text tells one from the other; that is said, no file written."""
    draw = random.Random(0)
    words = ["oak", "elm", "ash", "fir", "yew", "box"]
    rows = [
        {"prompt": f"Tell {i}", "chosen": answer(draw, words), "rejected": answer(draw, words)}
        for i in range(150)
    ]
    source = tmp_path / "pairs.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, out, err = run(source, "--text", "--format", "json", "--html", tmp_path / "page.html")
    assert code == 0, err
    assert json.loads(out)["knows"] is False
    assert "no better than chance" in err
    assert "no better than chance" in (tmp_path / "page.html").read_text()
    code, _, err = run(source, "--text", "--repair", tmp_path / "fixed.jsonl")
    assert code == 2
    assert "no better than chance" in err
    assert not (tmp_path / "fixed.jsonl").exists()


def answer(draw, words):
    return " ".join(draw.choices(words, k=draw.randrange(5, 12))) + draw.choice([".", ""])


def test_what_no_audit_can_serve_is_refused_before_the_pairs_are_read(run, tmp_path):
    """A cross-fit trains for hours before it writes."""
    missing, fit = tmp_path / "missing.jsonl", ("--cross-fit", 2, "--recipe", "r.yaml", "--folder", "f")
    for arguments, said in (
        (("--clean", tmp_path / "c.json"), "c.json: JSON lines would be written"),
        (("--clean", tmp_path / "c.jsonl", "--drop", "ties"), "--drop: unknown check 'ties'"),
        ((*fit, "--repair", tmp_path / "r.json"), "r.json: JSON lines would be written"),
        ((*fit, "--repair", tmp_path / "r.jsonl", "--how", "flop"), "how: unknown 'flop'"),
        ((*fit, "--repair", tmp_path / "r.jsonl", "--above", "2"), "above: is 2"),
        (("--cross-fit", 2), "--cross-fit: is not enough"),
        (("--text", *fit), "two ways to judge labels"),
        (("--examples", "-1"), "Invalid value"),
    ):
        code, out, err = run(missing, *arguments)
        assert (code, out) == (2, "")
        assert said in err
