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


def test_a_run_without_pairs_can_be_repeated_as_it_says(prompts, rules, tiny_model_dir, run, tmp_path):
    out = tmp_path / "pairs.jsonl"
    arguments = ["sample-pairs", "--model", tiny_model_dir, "--prompts", prompts, "-o", out]
    arguments += ["--scorer", f"rules:{rules}", "--samples-per-prompt", "24", "--temperature", "2"]
    code, _, said = run(*arguments, "--max-new-tokens", "1")
    assert (code, "larger --max-new-tokens" in said, "--overwrite" in said) == (1, True, True)
    assert not out.exists()
    code, _, said = run(*arguments, "--max-new-tokens", "60", "--overwrite")
    assert (code, out.is_file()) == (0, True), said


def test_rescoring_makes_the_pairs_anew(prompts, rules, tiny_model_dir, run, tmp_path):
    out, samples = tmp_path / "pairs.jsonl", tmp_path / "pairs.samples.jsonl"
    arguments = ["sample-pairs", "--model", tiny_model_dir, "--prompts", prompts, "-o", out]
    arguments += ["--samples-per-prompt", "24", "--temperature", "2", "--max-new-tokens", "60"]
    assert run(*arguments, "--scorer", f"rules:{rules}")[0] == 0
    answers = drawn(samples)
    other = tmp_path / "other.yaml"
    other.write_text("rules:\n  - includes: e\n  - includes: o\n")
    code, _, said = run(*arguments, "--scorer", f"rules:{other}", "--rescore")
    assert code == 0, said
    assert drawn(samples) == answers
    assert json.loads(samples.read_text().split("\n")[0])["scorer"] == f"rules:{other}"
    code, _, said = run(*arguments, "--scorer", f"rules:{other}", "--rescore", "--overwrite", "--seed", "1")
    assert (code, "drawn with seed 0" in said) == (2, True), said
    assert drawn(samples) == answers


def drawn(samples):
    rows = [json.loads(line) for line in samples.read_text().split("\n")[1:-1]]
    return [[answer["text"] for answer in row["answers"]] for row in rows]


def test_no_input_is_the_output(rules, run, tmp_path):
    prompts, mixture = tmp_path / "prompts.jsonl", tmp_path / "mix.yaml"
    prompts.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    mixture.write_text("sources: [prompts.jsonl]")
    side = tmp_path / "new.samples.jsonl"
    side.write_text('{"instruction": "a"}\n')
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for given, out in ((prompts, prompts), (mixture, prompts), (side, tmp_path / "new.jsonl")):
        arguments = ["sample-pairs", "--model", "m", "--prompts", given, "--scorer", f"rules:{rules}"]
        code, _, said = run(*arguments, "-o", out, "--overwrite")
        assert (code, "is the input" in said) == (2, True), said
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_json_lines_go_under_no_other_name(prompts, run, tmp_path):
    arguments = ["sample-pairs", "--model", "m", "--prompts", prompts, "--scorer", "world:constraints"]
    code, _, said = run(*arguments, "-o", tmp_path / "pairs.csv")
    assert (code, "ends in .jsonl" in said) == (2, True)


def test_prompts_of_one_split(run, rules, tiny_model_dir, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    for name, rows in (("train", 2), ("test", 1)):
        lines = "".join(json.dumps({"prompt": f"Tell me about snow {row}."}) + "\n" for row in range(rows))
        (folder / f"{name}.jsonl").write_text(lines)
    base = ["sample-pairs", "--model", tiny_model_dir, "--prompts", folder, "--scorer", f"rules:{rules}"]
    base += ["--max-new-tokens", "4", "--temperature", "2", "-o", tmp_path / "pairs.jsonl"]
    code, _, err = run(*base)
    assert (code, "split: holds several splits; expected one of" in err) == (2, True)
    _, _, err = run(*base, "--split", "train")
    assert "2 of 2 prompts" in err
