import json

import pytest
from typer.testing import CliRunner

from gammapo.cli import app as cli

ROWS = [
    {
        "instruction": f"question {place}",
        "output_1": "a reference answer " * (place % 5 + 1),
        "generator_1": "base",
        "output_2": f"answer number {place} " * (place % 3 + 1),
        "generator_2": "ours",
        "preference": 2.0 if place % 3 else 1.0,
    }
    for place in range(30)
]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(ROWS))
    return path


def test_one_file_prints_one_object(run, file):
    code, out, _ = run("winrate", file, "--format", "json", "--bootstrap", 50)
    found = json.loads(out)
    assert code == 0
    assert found["win_rate"] == pytest.approx(200 / 3)
    assert found["generator"] == "ours"
    assert len(found["lc_ci95"]) == 2


def test_several_files_print_a_list(run, file):
    _, out, _ = run("winrate", file, file, "--format", "json", "--bootstrap", 0)
    assert [row["n_total"] for row in json.loads(out)] == [30, 30]


def test_the_table_goes_to_stdout_and_warnings_to_stderr(run, file):
    code, out, err = run("winrate", file, "--bootstrap", 50)
    assert code == 0
    assert "ours" in out
    assert "66.67" in out
    assert "difficulty is not known" in err
    assert "difficulty" not in out


def test_bad_input_exits_2_and_names_the_row(run, file):
    rows = [dict(row) for row in ROWS]
    rows[3]["preference"] = 7
    file.write_text(json.dumps(rows))
    code, out, err = run("winrate", file)
    assert code == 2
    assert out == ""
    assert f"{file}: row 4: preference: 1 of 30 preferences lie outside" in " ".join(err.split())
    assert "Traceback" not in err
    code, out, _ = run("winrate", file, "--allow", "invalid", "--bootstrap", 0, "--format", "json")
    assert code == 0
    assert json.loads(out)["n_total"] == 29


def test_the_set_the_files_must_hold(run, file, tmp_path):
    wanted = tmp_path / "set.json"
    wanted.write_text(json.dumps([{"instruction": "another"}]))
    code, _, err = run("winrate", file, "--instructions", wanted)
    assert code == 2
    assert "30 of 30 instructions are not of the given set" in " ".join(err.split())
    wanted.write_text("[3]")
    assert run("winrate", file, "--instructions", wanted)[0] == 2


def test_the_page_is_written_once(run, file, tmp_path):
    page = tmp_path / "leaderboard.html"
    assert run("winrate", file, "--bootstrap", 50, "--html", page)[0] == 0
    assert "<svg" in page.read_text()
    code, _, err = run("winrate", file, "--html", page)
    assert code == 2
    assert "already exists" in err
    assert run("winrate", file, "--bootstrap", 50, "--html", page, "--overwrite")[0] == 0


def test_other_tables_are_named_or_refused(run, file, tmp_path):
    code, _, err = run("winrate", file, "--tables", tmp_path)
    assert code == 2
    assert "df_gamed.csv" in err


def test_help_lists_every_kind_that_can_be_allowed():
    from gammapo.evaluation.checks import KINDS

    text = " ".join(CliRunner().invoke(cli.app, ["winrate", "--help"]).stdout.replace("│", " ").split())
    for kind in KINDS:
        assert kind in text


def test_an_input_is_not_overwritten_by_the_page(run, file):
    before = file.read_bytes()
    code, _, err = run("winrate", file, "--bootstrap", 0, "--html", file, "--overwrite")
    assert code == 2
    assert "is the input" in err
    assert file.read_bytes() == before


def test_a_set_without_text_is_named_by_row(run, file, tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"instruction": "a"}, {"instruction": ["b"]}]))
    code, _, err = run("winrate", file, "--instructions", path)
    assert code == 2
    assert f"{path}: row 2: instruction: is missing or no text" in err


def test_models_of_one_name_are_told_apart(run, file, tmp_path):
    other = tmp_path / "other.json"
    other.write_bytes(file.read_bytes())
    _, out, err = run("winrate", file, other, "--bootstrap", 0)
    assert f"ours ({file})" in out
    assert f"ours ({other}): instruction difficulty" in err
