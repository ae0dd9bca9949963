"""The full-size task in miniature, from an empty folder to the score, by the scripts that users run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
NAME = "qwen-2.5-7b-it-gammapo"
# a judge of one's own: any rule that differs from answer to answer will do here
JUDGE = """
def score(prompts, answers):
    return [sum(map(ord, answer)) % 97 / 97 for answer in answers]
"""


def run(script, root, *arguments, fails=None):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{root}{os.pathsep}{SCRIPTS.parent / 'src'}",  # the judge, and this very checkout
        "WORKSPACE": str(root),
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    command = [script] if script == "gammapo" else ["bash", str(SCRIPTS / script)]
    done = subprocess.run(
        [*command, *map(str, arguments)], env=environment, capture_output=True, text=True, timeout=900
    )
    if fails is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert done.returncode == fails, done.stdout + done.stderr
    return done


SMALL = ["--engine", "cpu", "training.pairs_per_step=8", "training.tokens_per_batch=512"]
SMALL += ["training.gradient_checkpointing=false"]


@pytest.mark.slow
def test_from_an_empty_folder_to_the_score(miniature):
    root, prompts, instructions = miniature
    (root / "toy_judge.py").write_text(JUDGE)
    told = run("start.sh", root, *SMALL, "loss.gamma_beta_ratio=0.25")
    assert "0.25 is the task's recommendation" in told.stderr
    outputs, model = root / "data/outputs" / NAME, root / "data/models" / NAME
    note = json.loads((root / "data/runs" / NAME / "run.json").read_text())
    assert note["steps"] == 3  # 24 pairs, 8 a step, exactly one epoch
    assert (root / "data/outputs/idea.md").read_text().startswith("# The idea of gammapo")
    assert (model / "model.safetensors").is_file()
    card = (model / "README.md").read_text()
    assert "license: apache-2.0" in card
    assert note["data_fingerprint"] in card
    assert str(root) not in card

    answer = ["--backend", "transformers", "--max-new-tokens", "8"]
    run("infer.sh", root, *answer, "--only", "alpaca", "--gpus", "2")
    run("infer.sh", root, *answer, "--only", "train", "--gpus", "1")
    alpaca = json.loads((outputs / "model_outputs.json").read_text())
    assert [row["instruction"] for row in alpaca] == instructions
    assert set(alpaca[0]) == {"dataset", "instruction", "output", "generator"}
    assert {row["generator"] for row in alpaca} == {NAME}
    assert alpaca[0]["dataset"] == "helpful_base"
    train = json.loads((outputs / "model_outputs_train.json").read_text())
    assert [row["instruction"] for row in train] == prompts

    told = run("evaluate.sh", root, "--judge", "toy_judge:score")
    assert "head to head against SimPO" in told.stdout
    result = json.loads((outputs / "results.json").read_text())
    assert result["n_total"] == len(instructions)
    assert json.loads((outputs / "results_simpo.json").read_text())["reference"] == "qwen-2.5-7b-it-simpo"
    (root / "rules.yaml").write_text("rules: [{max_words: 1000}]")
    run("evaluate.sh", root, "--judge", f"rules:{root}/rules.yaml")  # another judge, other judgements
    assert json.loads((outputs / "results.json").read_text())["n_draws"] == len(instructions)
    run("evaluate.sh", root, "--judge", "toy_judge:score")

    lc, wr = result["length_controlled_winrate"], result["win_rate"]
    step = min(lc, (100 - lc) / 3) / 2  # an LC of so few rows may lie anywhere
    low, high = f"{lc - step}/{wr - 10}", f"{lc + 3 * step}/{wr - 5}"
    given = ["--simpo", low, "--higher", high, "--format", "json"]
    scored = json.loads(run("gammapo", root, "score", outputs / "annotations.json", *given).stdout)
    assert scored["lc_score"] == pytest.approx(25)  # a quarter of the way between the baselines
    assert scored["wr_score"] == 100  # above the higher one
    assert scored["score"] == pytest.approx(62.5)
    assert [one["name"] for one in scored["submissions"]] == [NAME]


def test_settings_outside_the_rules_are_refused(miniature):
    root, *_ = miniature
    refused = run("start.sh", root, *SMALL, "--name", "x", "loss.beta=11", fails=2)
    assert "2 to 10 (recommended 2.5)" in refused.stderr
    assert not (root / "data/runs/x").exists()


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("start.sh", ["--engine", "zero9"], "unknown engine"),
        ("start.sh", ["--recipe", "nothing"], "no such recipe"),
        ("start.sh", ["--nodes", "2", "--engine", "zero3", "--gpus", "8"], "--main"),
        ("start.sh", ["--engine", "zero3"], "no GPU found"),
        ("infer.sh", ["--what"], "unknown option"),
        ("infer.sh", [], "no model in"),
        ("evaluate.sh", ["--what"], "unknown option"),
        ("evaluate.sh", [], "model_outputs.json: no such file"),
    ],
)
def test_bad_usage_is_said(script, arguments, said, tmp_path):
    assert said in run(script, tmp_path, *arguments, fails=2).stderr


@pytest.mark.parametrize("script", ["start.sh", "infer.sh", "evaluate.sh"])
def test_help(script, tmp_path):
    assert "--workspace DIR" in run(script, tmp_path, "--help").stdout
