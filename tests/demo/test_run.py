"""The demo's loop on a tiny policy, judged by the real gold reward."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from gammapo.cli.app import app
from gammapo.demo import QUICK, Plan, run_demo
from gammapo.errors import InputError

KEYS = {
    "model",
    "loss",
    "noise_rate",
    "gold_reward",
    "gold_reward_ci95",
    "win_rate",
    "win_rate_ci95",
    "length_controlled_winrate",
    "lc_ci95",
    "avg_length",
}
SMALL = {"pairs": 10, "held_out": 12, "max_new_tokens": 8, "probes": 4, "bootstrap": 50}


@pytest.fixture
def plan(tiny_model_dir, smollm2):
    return Plan(model=str(tiny_model_dir), pairs_per_step=4, **SMALL)


def test_the_loop_leaves_all_it_promises(tmp_path, plan):
    rows = run_demo(tmp_path / "demo", plan)
    folder = tmp_path / "demo"
    assert json.loads((folder / "results.json").read_text()) == rows
    losses = ["simpo-clean", "simpo-noisy", "gammapo-clean", "gammapo-noisy"]
    assert [row["model"] for row in rows] == ["base", *losses]
    assert all(row.keys() >= KEYS for row in rows)
    base = rows[0]
    assert base["win_rate"] == 50
    assert base["length_controlled_winrate"] == pytest.approx(50)
    assert [row["noise_rate"] for row in rows] == [0, 0, 0.4, 0, 0.4]
    manifest = json.loads((folder / "pairs.noise.json").read_text())
    assert len(manifest["changed"]) == 4  # 40 % of 10
    clean, noisy = (
        [json.loads(line) for line in (folder / name).read_text().splitlines()]
        for name in ("clean.jsonl", "pairs.jsonl")
    )
    swapped = {a["id"] for a, b in zip(clean, noisy, strict=True) if a["chosen"] != b["chosen"]}
    assert swapped == set(manifest["changed"])
    page = (folder / "report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    # again: nothing is redone, the numbers stay
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.json") if "answers" in str(path)}
    assert run_demo(folder, plan) == rows
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    with pytest.raises(InputError, match="other settings"):
        run_demo(folder, replace(plan, seed=1))


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_numbers(tmp_path, plan):
    expected = run_demo(tmp_path / "whole", plan)
    code = (
        "import sys; from gammapo.demo import Plan, run_demo\n"
        "from contextlib import contextmanager\n"
        "@contextmanager\n"
        "def stage(name):\n"
        "    yield lambda done, total: print(name, done, flush=True)\n"
        f"run_demo(sys.argv[1], {plan!r}, stage)"
    )
    prelude = "from gammapo.demo import Arm\n"
    folder = tmp_path / "killed"
    for mark in ("training simpo-noisy 2", "answering with simpo-clean"):
        process = subprocess.Popen(
            [sys.executable, "-c", prelude + code, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(mark):
                process.send_signal(signal.SIGKILL)
                break
        assert process.wait() == -signal.SIGKILL
    assert run_demo(folder, plan) == expected


def test_the_report_s_command_makes_this_demo():
    """Without --quick or the seed, the folder would be refused as one of other settings."""
    assert Plan().command("demo") == "gammapo demo --output demo"
    assert Plan(seed=3, **QUICK).command("a b") == "gammapo demo --output 'a b' --quick --seed 3"


def test_a_seed_that_no_generator_takes_is_refused_before_the_folder_is_made(tmp_path):
    done = CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "demo"), "--seed", "-1"])
    assert done.exit_code == 2
    assert "--seed" in done.stderr
    assert not (tmp_path / "demo").exists()


def test_a_folder_of_something_else_is_refused(tmp_path, plan):
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(InputError, match="holds no demo"):
        run_demo(tmp_path, plan)
