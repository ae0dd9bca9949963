"""`gammapo audit`: a table, JSON, a page and a cleaned file."""

import json
import sys

import pytest

from gammapo.cli import app
from gammapo.data import load_pairs


@pytest.fixture
def run(monkeypatch, capsys):
    def invoke(*arguments):
        monkeypatch.setattr(sys, "argv", ["gammapo", "audit", *map(str, arguments)])
        code = 0
        try:
            app.main()
        except SystemExit as exit_:
            code = exit_.code or 0
        said = capsys.readouterr()
        return code, said.out, said.err

    return invoke


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
