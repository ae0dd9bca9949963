"""`gammapo repair` as a user meets it: a report, JSON, refusals."""

import json

import pytest
import yaml


@pytest.fixture
def pairs(tmp_path):
    rows = [{"prompt": f"q {i}", "chosen": f"river sea {i}", "rejected": f"cat mat {i}"} for i in range(60)]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


FAST = ("--set", "training.learning_rate=5e-3", "--set", "training.pairs_per_step=8")


def test_json_report_and_the_reports_own_verb(pairs, run, tmp_path, tiny_model_dir):
    out = tmp_path / "out"
    arguments = (pairs, "--model", tiny_model_dir, "--loss", "simpo", *FAST, "-o", out)
    code, stdout, err = run("repair", *arguments, "--format", "json")
    assert code == 0, err
    results = json.loads(stdout)
    assert results == json.loads((out / "results.json").read_text())
    assert (results["pairs"]["train"], results["pairs"]["held_out"]) == (48, 12)
    assert results["repairs"][0]["right"] is None
    text = (out / "report.md").read_text()
    assert "The held-out labels are taken as they are" in text
    assert "cannot be checked one by one" in text
    assert "<svg" in (out / "report.html").read_text()
    code, stdout, _ = run("report", out, "-o", tmp_path / "again.md")
    assert code == 0
    assert (tmp_path / "again.md").read_text() == text
    code, stdout, _ = run("repair", *arguments)  # which trains nothing again
    assert code == 0
    assert "labels as given" in stdout


def test_a_recipe_s_own_limit_does_not_cut_these_pairs(pairs, run, tmp_path, tiny_model_dir):
    recipe = tmp_path / "recipe.yaml"
    own = {"path": "elsewhere.jsonl", "split": "train", "limit": 45}
    content = {"model": {"path": str(tiny_model_dir)}, "data": own, "loss": {"name": "simpo"}, "output": "x"}
    recipe.write_text(yaml.safe_dump(content))
    arguments = (*FAST, "-o", tmp_path / "a", "--format", "json")
    code, stdout, err = run("repair", pairs, "--recipe", recipe, *arguments)
    assert code == 0, err
    assert json.loads(stdout)["pairs"]["train"] == 48
    arguments = (*FAST, "--set", "data.limit=50", "-o", tmp_path / "b", "--format", "json")
    code, stdout, err = run("repair", pairs, "--recipe", recipe, *arguments)
    assert code == 0, err
    assert json.loads(stdout)["pairs"]["train"] == 40


def test_a_bad_scorer_or_seed_is_found_before_anything_is_made(pairs, run, tmp_path, tiny_model_dir):
    out = tmp_path / "out"
    arguments = (pairs, "--model", tiny_model_dir, "--loss", "simpo", *FAST, "-o", out)
    code, _, err = run("repair", *arguments, "--scorer", f"rules:{tmp_path / 'nope.yaml'}")
    assert (code, out.exists()) == (2, False)
    assert "nope.yaml" in err
    code, _, err = run("repair", *arguments, "--seed", "-1")
    assert (code, out.exists()) == (2, False)
    assert "--seed" in err


def test_refusals(pairs, run, tmp_path, tiny_model_dir):
    code, out, err = run("repair", pairs, "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert "nothing says how to train" in err
    recipe = tmp_path / "recipe.yaml"
    content = {"model": {"path": str(tiny_model_dir)}, "data": {"path": "x"}, "loss": {"name": "simpo"}}
    recipe.write_text(yaml.safe_dump({**content, "output": "x"}))
    code, _, err = run("repair", pairs, "--recipe", recipe, "--loss", "dpo", "-o", tmp_path / "out")
    assert code == 2
    assert "--set loss.name=" in err
    code, _, err = run("repair", pairs, "--recipe", recipe, "--how", "soften", "-o", tmp_path / "out")
    assert code == 2
    assert "--how: unknown 'soften'" in err
    code, _, err = run("repair", pairs, "--recipe", recipe, "--set", "loss.betta=2", "-o", tmp_path / "out")
    assert code == 2
    assert "no option 'betta'" in err
    assert not (tmp_path / "out").exists()
    code, _, err = run("repair", pairs, "--recipe", recipe, "--holdout", 0.5, "-o", tmp_path / "out")
    assert code == 2
    assert "30 pairs; expected at least 40" in err
    assert "--by ledger" in err
