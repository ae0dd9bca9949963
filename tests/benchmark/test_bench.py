import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from gammapo.benchmark.bench import STATISTICS, TUNED, bench, plan
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.remake import remake
from gammapo.benchmark.specs import specs
from gammapo.benchmark.store import RESULTS, Store
from gammapo.errors import InputError, RunError
from gammapo.report.folder import report_on


def cell(result, loss, rate):
    (found,) = [one for one in result.cells if one["loss"] == loss and one["rate"] == rate]
    return found


def test_the_benchmark_tells_good_losses_from_bad_and_finds_a_sabotaged_one(small_grid, plugins, tmp_path):
    """A loss of reversed sign must end below the base on clean labels and be told from SimPO; SimPO must
    gain on clean labels, and lose much of that gain when 40 % of labels are flipped."""
    small_grid["losses"] = {"simpo": {}, "sabotaged": {"loss": "own_losses:SPEC"}}
    result = bench(parse_grid(small_grid), tmp_path / "out")
    clean, noisy = cell(result, "simpo", 0.0), cell(result, "simpo", 0.4)
    bad = cell(result, "sabotaged", 0.0)
    assert clean["gold_reward"] > clean["base_gold"] + 0.05
    assert bad["gold_reward"] < bad["base_gold"] - 0.05
    assert bad["difference_ci95"][1] < 0
    assert bad["p_holm"] < 0.01
    assert noisy["gold_ci95"][1] < clean["gold_ci95"][0]
    assert noisy["flip_auroc"] > 0.55
    assert 0 < noisy["flip_calibration_error"] < 0.5
    assert clean["flip_auroc"] is None
    assert clean["flip_calibration_error"] is None
    assert clean["held_out_accuracy"] > max(noisy["held_out_accuracy"], 0.6)
    assert bad["win_rate_over_baseline"] < 0.4
    assert bad["length_controlled_winrate_over_baseline"] < 0.5
    assert clean["win_rate_over_baseline"] is None, "it is the baseline"


def test_a_noise_kind_of_ones_own_works_in_the_grid(small_grid, plugins, tmp_path):
    """Flips of the clearest pairs hurt more than as many flips anywhere."""
    small_grid["noise"] = [
        {"kind": "symmetric", "rates": [0.3]},
        {"kind": "own_noise:every_clear_pair", "rates": [0.3]},
    ]
    small_grid["seeds"] = 2
    result = bench(parse_grid(small_grid), tmp_path / "out")
    means = {one["noise"]: one["gold_reward"] for one in result.cells}
    assert means["own_noise:every_clear_pair"] < means["symmetric"] - 0.03


@pytest.mark.slow
def test_a_failing_loss_and_a_dying_process_leave_the_other_runs_alone(small_grid, plugins, tmp_path):
    small_grid["losses"] = {
        "deadly": {"loss": "own_losses:DEADLY"},
        "simpo": {},
        "broken": {"loss": "own_losses:BROKEN"},
    }
    small_grid |= {"seeds": 1, "workers": 2}
    result = bench(parse_grid(small_grid), tmp_path / "out")
    assert {row["loss"] for row in result.rows} == {"simpo"}
    assert len(result.rows) == 2
    errors = {failure["loss"]: failure["error"] for failure in result.failures}
    assert "this loss cannot be computed" in errors["broken"]
    assert "died" in errors["deadly"]
    assert len(result.failures) == 4
    assert len(json.loads((tmp_path / "out" / STATISTICS).read_text())["failures"]) == 4


def test_a_condition_in_which_every_run_fails_stands_in_the_report(small_grid, plugins, tmp_path):
    """No row tells of it, and no other loss has runs there that this one lacks."""
    (plugins / "bad_noise.py").write_text("def bad(pairs, draw):\n    raise ValueError('<no> such noise')\n")
    small_grid["noise"] = [{"kind": "bad_noise:bad", "rates": [0.3]}]
    result = bench(parse_grid({**small_grid, "seeds": 2}), tmp_path / "out")
    assert len(result.failures) == 2
    page, html = ((tmp_path / "out" / f"report.{kind}").read_text() for kind in ("md", "html"))
    assert "**simpo** failed in table, bad_noise:bad 30\u00a0%, seeds 0, 1: " in page
    assert "&lt;no&gt; such noise" in html
    again = report_on(tmp_path / "out").page.markdown()
    assert "failed in table, bad_noise:bad" in again


def test_a_run_that_another_process_brought_through_has_not_failed(small_grid, tmp_path):
    """Two processes on one folder: one saves the run, then it fails in the other."""
    grid = parse_grid({**small_grid, "seeds": 1})
    bench(grid, tmp_path / "out")
    Store(tmp_path / "out").fail(specs(grid)[0], "the process died")
    again = bench(grid, tmp_path / "out")
    assert (again.ran, len(again.rows), again.failures) == (0, 2, [])


def test_stored_runs_are_not_run_again_and_more_seeds_only_add_theirs(small_grid, tmp_path):
    first = bench(parse_grid({**small_grid, "seeds": 1}), tmp_path / "out")
    again = bench(parse_grid({**small_grid, "seeds": 1}), tmp_path / "out")
    more = bench(parse_grid({**small_grid, "seeds": 2}), tmp_path / "out")
    assert (first.ran, again.ran, more.ran) == (2, 0, 2)
    assert again.rows == first.rows
    assert len((tmp_path / "out" / RESULTS).read_text().splitlines()) == 4
    assert "gammapo bench" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "report.html").read_text().startswith("<!doctype html>")


def test_an_unfinished_grid_is_reported_as_far_as_it_goes(small_grid, tmp_path):
    first = bench(parse_grid({**small_grid, "seeds": 1}), tmp_path / "out")
    whole = parse_grid({**small_grid, "seeds": 3})
    found = bench(whole, tmp_path / "out", stored_only=True)
    assert found.ran == 0
    assert found.rows == first.rows
    with pytest.raises(RunError, match="holds none"):
        bench(whole, tmp_path / "empty", stored_only=True)


def test_the_files_that_a_repository_keeps_are_enough_to_go_on_from(small_grid, tmp_path):
    """Without runs/, as a clone has the folder: nothing is run again, and a smaller grid loses no row."""
    small_grid |= {"seeds": 2, "tune": {"seeds": [77], "learning_rates": [1e-5, 0.1]}}
    first = bench(parse_grid(small_grid), tmp_path / "out")
    tuned = (tmp_path / "out" / TUNED).read_text()
    shutil.rmtree(tmp_path / "out" / "runs")
    assert all(one.alike for one in remake(parse_grid(small_grid), tmp_path / "out", 2))
    assert not (tmp_path / "out" / "runs").exists(), "making runs again writes nothing"
    smaller = bench(parse_grid({**small_grid, "seeds": 1}), tmp_path / "out")
    again = bench(parse_grid(small_grid), tmp_path / "out", stored_only=True)
    assert first.ran > 0
    assert smaller.ran == again.ran == 0
    assert again.rows == first.rows
    assert (tmp_path / "out" / TUNED).read_text() == tuned


def test_a_damaged_results_file_is_named_and_left_alone(small_grid, tmp_path):
    results = tmp_path / RESULTS
    results.write_text('{"run": "0123456789abcdef"}\n{"run": "01')
    with pytest.raises(InputError, match="results.jsonl:2"):
        bench(parse_grid(small_grid), tmp_path)
    assert results.read_text().endswith('{"run": "01')


@pytest.mark.parametrize("row", ['{"run": "../../elsewhere"}', '{"gold_reward": 0.5}'])
def test_rows_that_name_no_run_are_not_written_over(row, small_grid, tmp_path):
    results = tmp_path / "out" / RESULTS
    results.parent.mkdir()
    results.write_text(row + "\n")
    with pytest.raises(InputError, match="1 rows that do not name their run"):
        bench(parse_grid({**small_grid, "seeds": 1}), tmp_path / "out")
    assert results.read_text() == row + "\n"
    assert not list(tmp_path.rglob("elsewhere*"))


def test_a_world_is_described_once(small_grid, tmp_path, monkeypatch):
    from gammapo.benchmark.worlds import softmax

    described = []
    original = softmax.SoftmaxWorld.describe
    monkeypatch.setattr(
        softmax.SoftmaxWorld, "describe", lambda self: described.append(self) or original(self)
    )
    (world,) = small_grid["worlds"]
    for options in ({}, {}, {"as": world["name"], "answers": 4}):
        bench(parse_grid({**small_grid, "seeds": 1, "worlds": [{**world, **options}]}), tmp_path / "out")
    assert len(described) == 2


def test_every_loss_gets_the_same_tuning_budget_and_its_best_setting_is_used(small_grid, tmp_path):
    """Learning rates far apart: 1e-5 cannot move the table, 0.1 can, so 0.1 must be found and used."""
    small_grid["losses"] = {"simpo": {}, "dpo": {}}
    small_grid["seeds"] = 1
    small_grid["tune"] = {
        "seeds": [77, 78],
        "learning_rates": [1e-5, 0.1],
        "knobs": {"simpo": {"beta": [0.01, 2.0]}},
        "budget": 2,
    }
    grid, wrong = parse_grid(small_grid), len(small_grid["noise"][0]["rates"])
    trials = (2 + 2) + 2  # SimPO's rates and options, DPO's rates
    before = plan(grid, tmp_path / "out")
    assert before.tuning_runs_left == trials * 2 * (1 + wrong)
    assert before.stored == 0
    assert not (tmp_path / "out").exists()
    result = bench(grid, tmp_path / "out")
    after = plan(grid, tmp_path / "out")
    assert (after.tuning_runs_left, after.stored) == (0, before.runs)
    run = next(path for path in (tmp_path / "out" / "runs").iterdir() if '"seed": 77' in path.read_text())
    run.unlink()  # its trial's score is in tuned.json
    assert plan(grid, tmp_path / "out").tuning_runs_left == 0
    kept = (tmp_path / "out" / TUNED).rename(tmp_path / "kept.json").read_text()
    assert plan(grid, tmp_path / "out").tuning_runs_left >= 1
    (tmp_path / "out" / TUNED).write_text(kept)
    tuned = json.loads((tmp_path / "out" / TUNED).read_text())
    assert tuned["simpo"]["training"]["learning_rate"] == tuned["dpo"]["training"]["learning_rate"] == 0.1
    assert [len(tuned[loss]["trials"]) for loss in ("simpo", "dpo")] == [4, 2]
    best = max(trial["gold_reward"] for trial in tuned["simpo"]["trials"])
    assert tuned["simpo"]["gold_reward"] == best
    assert all(row["learning_rate"] == 0.1 for row in result.rows)
    assert all(row["seed"] not in (77, 78) for row in result.rows)


def test_a_loss_that_gives_its_learning_rate_is_not_tuned(small_grid, tmp_path):
    small_grid["losses"] = {"simpo": {"learning_rate": 0.05}, "dpo": {}}
    small_grid |= {"seeds": 1, "tune": {"seeds": [77], "learning_rates": [1e-5, 0.1]}}
    result = bench(parse_grid(small_grid), tmp_path / "out")
    assert list(json.loads((tmp_path / "out" / TUNED).read_text())) == ["dpo"]
    assert {row["loss"]: row["learning_rate"] for row in result.rows} == {"simpo": 0.05, "dpo": 0.1}
    small_grid["tune"]["knobs"] = {"simpo": {"beta": [1.0, 2.0]}}
    with pytest.raises(InputError, match="comes with its learning rate"):
        parse_grid(small_grid)


def test_a_killed_grid_goes_on_where_it_stood(small_grid, tmp_path):
    small_grid["seeds"] = 40
    grid, out = tmp_path / "grid.yaml", tmp_path / "out"
    grid.write_text(yaml.safe_dump(small_grid))
    code = (
        "import sys; from gammapo.benchmark import bench, grid\n"
        "if __name__ == '__main__': bench.bench(grid.load_grid(sys.argv[1]), sys.argv[2])"
    )
    script = tmp_path / "start.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script), str(grid), str(out)], env={**os.environ})
    deadline = time.monotonic() + 120
    while len(list(out.glob("runs/*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = stored(out)
    assert 3 <= len(done) < 80, "the kill must fall in the middle of the grid"
    small_grid["seeds"] = 6
    result = bench(parse_grid(small_grid), out)
    assert result.ran == 12 - len([row for row in done if row["seed"] < 6])
    assert len(result.rows) == 12
    assert not list(out.glob("runs/.*"))


def stored(out: Path) -> list[dict]:
    return [json.loads(path.read_text())["row"] for path in out.glob("runs/*.json")]
