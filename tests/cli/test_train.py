"""`gammapo train` as a user meets it: exit codes, messages, JSON."""

import json
import random

import pytest
import yaml


@pytest.fixture
def recipe(tmp_path, tiny_model_dir):
    rng = random.Random(0)
    words = "the river runs to the sea and a cat sat on a mat".split()
    rows = [
        {
            "prompt": "Tell me about " + rng.choice(words),
            "chosen": " ".join(rng.choices(words, k=5)),
            "rejected": " ".join(rng.choices(words, k=4)) + ".",
        }
        for _ in range(12)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = {
        "model": {"path": str(tiny_model_dir)},
        "data": {"path": str(tmp_path / "pairs.jsonl"), "max_length": 128},
        "loss": {"name": "simpo"},
        "training": {"pairs_per_step": 6, "learning_rate": 1e-3},
        "output": str(tmp_path / "run"),
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_json_result_on_stdout_and_progress_on_stderr(recipe, run, tmp_path):
    code, out, err = run("train", recipe, "--format", "json")
    assert code == 0, err
    result = json.loads(out)
    assert result["steps"] == 2
    assert result["resumed_from"] is None
    assert "γ = 1 absolute" in err.replace("\n", " ").replace("  ", " ")
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()


def test_brackets_of_the_objective_are_text(recipe, run):
    from gammapo import losses

    code, _, err = run("train", recipe, "loss.name=plc_dpo")
    assert code == 0, err
    formula = losses.create("plc_dpo").spec.formula
    assert "[" in formula
    assert f"plc_dpo: {formula}; beta = " in err


def row(path, number, **changes):
    lines = path.read_text().splitlines()
    changed = json.loads(lines[number - 1]) | changes
    lines[number - 1] = json.dumps({key: value for key, value in changed.items() if value != "absent"})
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rejected": "absent"}, ["pairs.jsonl", "rejected"]),
        ({"chosen": None}, ["pairs.jsonl:3", "chosen"]),
        ({"chosen": 7}, ["pairs.jsonl:3", "chosen"]),
        ({"rejected": " "}, ["pairs.jsonl:3", "rejected", "empty"]),
        ({"chosen": "same", "rejected": "same"}, ["pairs.jsonl:3"]),
    ],
    ids=["missing", "null", "number", "empty", "equal"],
)
def test_bad_rows_exit_2_and_are_named(recipe, run, tmp_path, changes, words):
    row(tmp_path / "pairs.jsonl", 3, **changes)
    code, out, err = run("train", recipe)
    assert code == 2
    assert out == ""
    assert "Traceback" not in err
    for word in words:
        assert word in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("changes", [{"chosen": None}, {"rejected": " "}, {"chosen": "x", "rejected": "x"}])
def test_bad_rows_are_dropped_and_counted_where_the_recipe_says_so(recipe, run, tmp_path, changes):
    row(tmp_path / "pairs.jsonl", 3, **changes)
    code, _, err = run("train", recipe, "data.on_bad=drop")
    assert code == 0, err
    assert "11 of 12 rows" in err
    assert "dropped 1" in err


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("loss.name=simpoo", ["unknown loss 'simpoo'", "'simpo'"]),
        ("loss.betta=2", ["no option 'betta'", "'beta'"]),
        ("training.pairs_per_stepp=2", ["unknown key 'pairs_per_stepp'", "'pairs_per_step'"]),
        ("model.path=/nowhere/at/all", ["no such model folder", "/nowhere/at/all"]),
        ("data.path=/nowhere.jsonl", ["/nowhere.jsonl"]),
        ("noise.kind=symetric noise.rate=0.2", ["'symmetric'"]),
        ("noise.rate=0.3", ["recipe.yaml: noise.kind: no kind is named", "symmetric"]),
        ("noise.kind=foo", ["recipe.yaml: noise.kind: unknown noise 'foo'"]),
        ("training.optim=foo", ["recipe.yaml: training.optim: got 'foo'"]),
        ("training.lr_scheduler_type=foo", ["recipe.yaml: training.lr_scheduler_type: got 'foo'"]),
        ("training.max_steps=abc", ["recipe.yaml: training.max_steps: got 'abc'"]),
        ("training.num_train_epochs=.inf", ["recipe.yaml: training.num_train_epochs: got inf"]),
        ("training.learning_rate=.inf", ["recipe.yaml: training.learning_rate: got inf"]),
        ("training.adam_beta1=foo", ["recipe.yaml: training.adam_beta1: got 'foo'"]),
        ("training.bf16=maybe", ["recipe.yaml: training.bf16: got 'maybe'"]),
        ("lora.target_modules=foo", ["recipe.yaml: lora.target_modules: cannot be adapted: 'foo'"]),
    ],
)
def test_bad_recipes_exit_2_name_the_mend_and_leave_nothing(recipe, run, tmp_path, override, words):
    for dry in ([], ["--dry-run"]):
        code, out, err = run("train", recipe, *override.split(), *dry)
        assert code == 2
        assert out == ""
        for word in words:
            assert word in err, err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "given", [["--gpus", 8], ["--engine", "ddp"], ["--gpu-memory", 40], ["--gpu-tflops", 300]]
)
def test_what_only_a_dry_run_heeds_is_refused_without_it(recipe, run, tmp_path, given):
    code, out, err = run("train", recipe, *given)
    assert (code, out) == (2, "")
    assert f"{given[0]}: plans a dry run" in err
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_model(recipe, run, tmp_path):
    (tmp_path / "empty").mkdir()
    code, _, err = run("train", recipe, f"model.path={tmp_path / 'empty'}")
    assert code == 2
    assert "the folder is no model" in err


def test_another_runs_folder(recipe, run, tmp_path):
    assert run("train", recipe)[0] == 0
    code, _, err = run("train", recipe, "loss.beta=3")
    assert code == 2
    assert "loss.beta" in err


def test_other_data_in_a_finished_runs_file(recipe, run, tmp_path):
    assert run("train", recipe)[0] == 0
    row(tmp_path / "pairs.jsonl", 3, chosen="quite another answer")
    code, out, err = run("train", recipe)
    assert (code, out) == (2, "")
    assert "data (its content has changed)" in err


def test_unknown_verb_and_version(run):
    assert run("trian")[0] == 2
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("gammapo 0.")


def test_help_is_quick_and_light():
    """`--help` must not import torch or transformers."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['transformers'] = None\n"
        "sys.argv = ['gammapo', '--help']\n"
        "from gammapo.cli.app import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_completion_script():
    import os
    import subprocess
    import sys

    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'gammapo'; from gammapo.cli.app import main; main()",
        ],
        env=os.environ | {"_GAMMAPO_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "complete -o" in done.stdout
