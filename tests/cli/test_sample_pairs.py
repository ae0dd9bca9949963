"""The verb, as a user calls it."""

import json

import pytest
from typer.testing import CliRunner

from gammapo import data
from gammapo.cli.app import app, main


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("Tell me about a river.\nTell me about snow.\nWhat is a cat?\n")
    return path


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - max_words: 3\n  - includes: e\n  - includes: a\n  - includes: t\n")
    return path


def test_pairs_samples_and_summary_agree(prompts, rules, tiny_model_dir, tmp_path):
    out = tmp_path / "pairs.jsonl"
    arguments = ["sample-pairs", "--model", str(tiny_model_dir), "--prompts", str(prompts)]
    arguments += ["--scorer", f"rules:{rules}", "-o", str(out), "--samples-per-prompt", "24"]
    arguments += ["--temperature", "2", "--max-new-tokens", "60", "--format", "json"]
    made = CliRunner().invoke(app, arguments)
    assert made.exit_code == 0, made.output
    summary = json.loads(made.stdout)
    samples = [json.loads(line) for line in (tmp_path / "pairs.samples.jsonl").read_text().splitlines()]
    assert (summary["prompts"], summary["answers"]) == (3, 72)
    assert samples[0]["scorer"] == f"rules:{rules}"
    assert summary["cut_answers"] == sum(
        answer["finish_reason"] == "length" for row in samples[1:] for answer in row["answers"]
    )
    pairs = data.load_pairs(out).pairs
    assert len(pairs) == summary["pairs"] == 3 - sum(summary["dropped"].values())
    assert pairs
    assert all(pair.chosen_score > pair.rejected_score for pair in pairs)
    refused = CliRunner().invoke(app, arguments)
    assert "already exists" in str(refused.exception)
    first = out.read_bytes()
    out.unlink()
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "./no-such-folder", "--scorer", "world:constraints"], "no such model folder"),
        (["--model", "m", "--scorer", "world:contraints"], "'constraints'"),
        (["--model", "m", "--scorer", "nothing"], "got 'nothing'"),
        (["--model", "m", "--scorer", "world:constraints", "--temperature", "-1"], "temperature: got -1"),
    ],
)
def test_bad_usage_exits_2_and_says_what(prompts, arguments, said, monkeypatch, capsys, tmp_path):
    out = tmp_path / "pairs.jsonl"
    monkeypatch.setattr(
        "sys.argv", ["gammapo", "sample-pairs", "--prompts", str(prompts), "-o", str(out), *arguments]
    )
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_the_worlds_scorer_refuses_foreign_prompts(prompts, tiny_model_dir, monkeypatch, capsys, tmp_path):
    arguments = ["gammapo", "sample-pairs", "--model", str(tiny_model_dir), "--prompts", str(prompts)]
    arguments += ["--scorer", "world:constraints", "-o", str(tmp_path / "p.jsonl"), "--max-new-tokens", "4"]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert "not a prompt of the constraint world" in capsys.readouterr().err
