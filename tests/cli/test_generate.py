"""The verb, as a user calls it."""

import json

import pytest
from typer.testing import CliRunner

from gammapo.cli.app import app, main


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "set.json"
    path.write_text(json.dumps([{"dataset": "d", "instruction": text} for text in ("yes", "a river", "no")]))
    return path


def test_generate_then_check(prompts, tiny_model_dir, tmp_path):
    out = tmp_path / "outputs.json"
    base = ["generate", "--prompts", str(prompts)]
    made = CliRunner().invoke(
        app,
        [*base, "--model", str(tiny_model_dir), "-o", str(out), "--max-new-tokens", "4", "--format", "json"],
    )
    assert made.exit_code == 0, made.output
    summary = json.loads(made.stdout)
    rows = json.loads(out.read_text())
    assert summary["answers"] == 3
    assert summary["cut"] == sum(row["finish_reason"] == "length" for row in rows)
    good = CliRunner().invoke(app, [*base, "--check", str(out)])
    assert good.exit_code == 0
    assert "whole and in order" in good.stdout
    out.write_text(json.dumps(rows[::-1]))
    bad = CliRunner().invoke(app, [*base, "--check", str(out), "--format", "json"])
    assert bad.exit_code == 2
    assert json.loads(bad.stdout)["good"] is False


@pytest.mark.parametrize("name", ["run[v2]", "mistral[/INST]"])
def test_a_generator_with_brackets_keeps_them(run, prompts, tiny_model_dir, tmp_path, name):
    base = ["generate", "--prompts", prompts, "--model", tiny_model_dir, "--max-new-tokens", "2"]
    code, out, err = run(*base, "-o", tmp_path / "outputs.json", "--generator", name)
    assert code == 0, err
    assert f" {name} " in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "smollm2"], "-o: is missing"),
        (["-o", "x.json"], "--model: is missing"),
        (["-o", "x.json", "--model", "./no-such-folder"], "no such model folder"),
        (["-o", "x.json", "--model", "m", "--temperature", "-1"], "temperature: got -1"),
        (["-o", "x.json", "--model", "m", "--max-refused", "3"], "--max-refused: has no part in"),
        (
            ["-o", "x.json", "--model", "m", "--backend", "server", "--dtype", "bfloat16"],
            "--dtype: has no part in the backend server",
        ),
        (["-o", "x.json", "--model", "m", "--backend", "nothing"], "unknown generator 'nothing'"),
        (["-o", "x.json", "--model", "m@http://[", "--backend", "server"], "url: got 'http://['"),
        (["-o", "x.json", "--model", "m@nowhere", "--backend", "server"], "url: got 'nowhere'"),
    ],
)
def test_bad_usage_exits_2_and_says_what(prompts, arguments, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["gammapo", "generate", "--prompts", str(prompts), *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_the_prompts_are_not_overwritten_by_the_answers(run, prompts, tiny_model_dir):
    before = prompts.read_bytes()
    code, _, err = run(
        "generate", "--prompts", prompts, "--model", tiny_model_dir, "-o", prompts, "--overwrite"
    )
    assert code == 2
    assert "is the input" in err
    assert prompts.read_bytes() == before


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["--temperature", "0"], "--temperature"),
        (["-o", "x.json"], "-o"),
        (["--model", "smollm2"], "--model"),
        (["--max-new-tokens", "3"], "--max-new-tokens"),
        (["--overwrite"], "--overwrite"),
        (["--generator", "me"], "--generator"),
    ],
)
def test_options_without_a_part_in_a_check_are_refused(run, prompts, given, named):
    code, _, err = run("generate", "--prompts", prompts, "--check", prompts, *given)
    assert (code, f"{named}: has no part in --check" in err) == (2, True)


def test_outputs_that_are_no_file_are_refused_before_a_model_answers(run, prompts, tiny_model_dir, tmp_path):
    base = ["generate", "--prompts", prompts, "--model", tiny_model_dir, "--overwrite"]
    code, _, err = run(*base, "-o", "-")
    assert (code, "-o: is no output here; expected a file" in err) == (2, True)
    (tmp_path / "folder").mkdir()
    code, _, err = run(*base, "-o", tmp_path / "folder")
    assert (code, "folder: is a folder; expected a file" in err) == (2, True)
    assert not list(tmp_path.glob(".*"))


def test_no_file_that_a_mixture_lists_is_overwritten(run, tiny_model_dir, tmp_path):
    (tmp_path / "pairs.json").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}')
    (tmp_path / "mix.yaml").write_text("sources: [pairs.json]")
    base = ["generate", "--prompts", tmp_path / "mix.yaml", "--model", tiny_model_dir, "--overwrite"]
    code, _, err = run(*base, "-o", tmp_path / "pairs.json")
    assert (code, "is the input" in err) == (2, True)
