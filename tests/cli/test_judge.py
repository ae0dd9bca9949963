"""The verb, as a user calls it."""

import json

import pytest
from typer.testing import CliRunner

from gammapo.cli.app import app, main

TEXTS = ("Name a bird.", "Name a tree.", "Name a fish.")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, answer in (("model", "An eagle."), ("reference", "I would rather not say, sorry.")):
        rows = [{"dataset": "d", "instruction": i, "output": answer, "generator": name} for i in TEXTS]
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    (tmp_path / "rules.yaml").write_text("rules: [{excludes: sorry}]")
    monkeypatch.chdir(tmp_path)
    return tmp_path


BASE = ["judge", "model.json", "--against", "reference.json"]


def test_rules_to_annotations_to_winrate_format(folder):
    done = CliRunner().invoke(
        app, [*BASE, "--judge", "rules:rules.yaml", "-o", "annotations.json", "--format", "json"]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {
        "output": "annotations.json",
        "comparisons": 3,
        "judged": 3,
        "mean_preference": 2.0,
        "notes": {},
    }
    rows = json.loads((folder / "annotations.json").read_text())
    assert [row["instruction"] for row in rows] == list(TEXTS)
    assert {(row["generator_1"], row["generator_2"], row["preference"]) for row in rows} == {
        ("reference", "model", 2.0)
    }


def test_a_dry_run_of_a_judge_that_makes_no_calls(folder):
    dry = [*BASE, "--judge", "rules:rules.yaml", "--dry-run"]
    assert CliRunner().invoke(app, dry).stdout == "3 comparisons; this judge makes no calls\n"
    found = json.loads(CliRunner().invoke(app, [*dry, "--format", "json"]).stdout)
    assert found == {"comparisons": 3, "calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "cost": 0.0}


def test_a_dry_run_leaves_no_file_behind(folder, run):
    before = sorted(folder.rglob("*"))
    code, out, err = run(*BASE, "--judge", "openai:m@http://127.0.0.1:9", "-o", "new/a.json", "--dry-run")
    assert (code, out.startswith("4 calls")) == (0, True), err
    assert sorted(folder.rglob("*")) == before


def test_a_real_judge_its_record_and_a_dry_run(folder, llama_server):
    for name in ("model.json", "reference.json"):  # one comparison is enough, as tokens take time
        (folder / name).write_text(json.dumps(json.loads((folder / name).read_text())[:1]))
    spec = ["--judge", f"openai:smollm2-135m@{llama_server}"]
    dry = CliRunner().invoke(app, [*BASE, *spec, "-o", "a.json", "--dry-run", "--format", "json"])
    assert dry.exit_code == 0, dry.output
    assert json.loads(dry.stdout)["calls"] == 2
    done = CliRunner().invoke(app, [*BASE, *spec, "-o", "a.json", "--format", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["judged"] == 1
    assert (folder / "a.json.replies.sqlite").is_file()
    again = CliRunner().invoke(app, [*BASE, *spec, "-o", "a.json", "--dry-run", "--format", "json"])
    assert json.loads(again.stdout)["calls"] == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--judge", "rules:rules.yaml"], "-o: is missing"),
        (["--judge", "rules:absent.yaml", "-o", "a.json"], "absent.yaml: no such file"),
        (["--judge", "oracle", "-o", "a.json"], "judge: got 'oracle'"),
        (["--judge", ":x", "-o", "a.json"], "judge: got ':x'"),
        (["--judge", "rules:rules.yaml", "-o", "."], "already exists"),
        (["--judge", "rules:rules.yaml", "-o", "model.json"], "is the input"),
        (["--judge", "rules:rules.yaml", "-o", "a.json", "--both-orders"], "has no option 'order'"),
        (["--judge", "openai:m@http://127.0.0.1:9", "-o", "a.json", "--max-calls", "2"], "needs 4 calls"),
        (["--judge", "openai:m@http://127.0.0.1:9", "-o", "a.json", "--max-cost", "2"], "needs prices"),
        (
            ["--judge", "openai:m@http://h:9", "-o", "a.json", "--price-in", "1", "--max-cost", "nan"],
            "max_cost: got nan",
        ),
        (["--judge", "openai:m@http://h:9", "-o", "a.json", "--deadline", "inf"], "deadline: got inf"),
        (
            ["--judge", "openai:m@http://h:9", "-o", "a.json", "--record", "./a.json"],
            "--record: is the output",
        ),
        (["--judge", "openai:m@http://h:9", "-o", "a.json", "--price-out", "1"], "price_out: a price of"),
        (
            ["--judge", "openai:m@http://h:9", "-o", "a.json", "--letters", "m"],
            "--letters: got 'm'; expected two",
        ),
        (["--judge", "openai:m@http://h:9", "-o", "a.json", "--question", "no.txt"], "no.txt: no such file"),
        (
            ["--judge", "openai:m@http://h:9", "-o", "a.json", "--question", "rules.yaml"],
            r"rules.yaml: {instruction} does not occur",
        ),
        (
            ["--judge", "openai:m@http://h:9", "-o", "rules.yaml", "--question", "rules.yaml", "--overwrite"],
            "rules.yaml: ",
        ),
        (["--judge", "rules:rules.yaml", "-o", "a.json", "--letters", "m,M"], "has no option 'letters'"),
    ],
)
def test_bad_usage_exits_2_and_says_what(folder, arguments, said, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gammapo", *BASE, *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_outputs_for_another_set_are_refused(folder, monkeypatch, capsys):
    rows = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps([{**row, "instruction": "other"} for row in rows[:1]]))
    monkeypatch.setattr("sys.argv", ["gammapo", *BASE, "--judge", "rules:rules.yaml", "-o", "a.json"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "answers another set" in capsys.readouterr().err


def test_a_judge_that_cannot_be_reached_exits_1(folder, monkeypatch, capsys):
    spec = ["--judge", "openai:m@http://127.0.0.1:9", "--attempts", "1", "-o", "a.json"]
    monkeypatch.setattr("sys.argv", ["gammapo", *BASE, *spec])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 1
    assert "the first call failed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["model.json", "reference.json", "rules.yaml"])
def test_an_input_is_not_overwritten_by_the_judgements(folder, name, run):
    before = (folder / name).read_bytes()
    code, _, err = run(*BASE, "--judge", "rules:rules.yaml", "-o", name, "--overwrite")
    assert code == 2
    assert "is the input" in err
    assert (folder / name).read_bytes() == before


def test_where_nothing_was_judged_no_file_is_written(folder, run):
    rows = [
        {
            "instruction": i,
            "output_1": "I would rather not say, sorry.",
            "output_2": "An eagle.",
            "preference": p,
        }
        for i, p in zip(TEXTS, (None, None, 1.5), strict=True)
    ]
    (folder / "known.json").write_text(json.dumps([{**row, "preference": None} for row in rows]))
    code, out, err = run(*BASE, "--judge", "annotations:known.json", "-o", "a.json")
    assert (code, out) == (1, "")
    assert "none of 3 comparisons was judged, so a.json is not written" in err
    assert not (folder / "a.json").exists()
    (folder / "known.json").write_text(json.dumps(rows))
    code, _, err = run(*BASE, "--judge", "annotations:known.json", "-o", "a.json")
    assert code == 0, err


def test_a_damaged_record_is_named(folder, run):
    (folder / "r.sqlite").write_bytes(b"SQLite format 3\0" + b"\xa5" * 5000)
    spec = ["--judge", "openai:m@http://127.0.0.1:9", "-o", "a.json", "--record", "r.sqlite"]
    code, _, err = run(*BASE, *spec)
    assert code == 2
    assert err.startswith("gammapo: r.sqlite: is no record of replies")


def test_half_a_character_in_a_name_is_named(folder, run):
    rows = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps([{**row, "generator": "m\ud800"} for row in rows]))
    code, _, err = run(*BASE, "--judge", "rules:rules.yaml", "-o", "a.json")
    assert (code, "model.json: row 1: generator: holds half a character" in err) == (2, True)
