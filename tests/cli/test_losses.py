"""`gammapo losses`, run as a user runs it."""

import json
import subprocess
import sys

import pytest

from gammapo import registry


def gammapo(*arguments):
    return subprocess.run(
        [sys.executable, "-c", "from gammapo.cli.app import main; main()", "losses", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"COLUMNS": "200", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"},
    )


def test_list_names_every_loss_once_under_its_family():
    done = gammapo()
    assert done.returncode == 0
    assert done.stderr == ""
    firsts = [line.split(" ")[0] for line in done.stdout.splitlines()]
    for name in registry.LOSSES:
        assert firsts.count(name) == 1, name
    assert "robust: Made for labels of which some are wrong." in done.stdout
    assert "[q_c ℓ(m) + q_f ℓ(−m)" in done.stdout, "brackets are text, not markup"


def test_list_as_json():
    rows = json.loads(gammapo("--format", "json").stdout)
    assert [row["name"] for row in rows].count("odpo") == 1
    assert {row["name"]: row for row in rows}["odpo"]["needs"] == ["reference", "scores"]


def test_one_loss_in_full():
    text = gammapo("ropo").stdout
    for part in ("4α/(1+α)²", "arXiv:2404.04102", "needs   reference", "alpha", "14", "reward gap", "●"):
        assert part in text


def test_one_loss_as_json_has_its_pull():
    row = json.loads(gammapo("dr_dpo", "--format", "json").stdout)
    pull = dict(zip(row["pull"]["reward_gap"], row["pull"]["pull"], strict=True))
    assert max(pull.values()) == pytest.approx(1)
    assert row["pull"]["pull"][0] < 0.1, "Dr. DPO leaves a contradicted pair alone"


def test_unknown_name_exits_2_and_names_the_nearest():
    done = gammapo("simpoo")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "unknown loss 'simpoo'; expected 'simpo'" in done.stderr
    assert "Traceback" not in done.stderr
