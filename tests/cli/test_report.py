import json
import subprocess
import sys

import pytest

from gammapo.report import benchmark_page

ROWS = [
    {"model": "base", "loss": None, "noise_rate": None, "gold_reward": 0.2, "gold_reward_ci95": [0.1, 0.3]},
    {"model": "x", "loss": "simpo", "noise_rate": 0.4, "gold_reward": 0.5, "gold_reward_ci95": [0.4, 0.6]},
]


def gammapo(*arguments):
    code = "from gammapo.cli.app import main; main()"
    command = [sys.executable, "-c", code, "report", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def demo(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps(ROWS))
    return tmp_path


def test_a_page_beside_the_results_and_a_table_on_stdout(demo):
    done = gammapo(demo)
    assert done.returncode == 0, done.stderr
    assert (demo / "report.html").read_text().startswith("<!doctype html>")
    assert "0.500" in done.stdout
    assert "report.html" in done.stderr
    again = gammapo(demo)
    assert again.returncode == 2
    assert "--overwrite" in again.stderr
    assert gammapo(demo, "--overwrite").returncode == 0


def test_markdown_and_json(demo):
    done = gammapo(demo, "-o", demo / "r.md", "--format", "json")
    found = json.loads(done.stdout)
    assert found["kind"] == "demo"
    assert found["rows"] == ROWS
    assert "**x** earns a gold reward" in (demo / "r.md").read_text()


def test_a_run_and_a_benchmark_are_recognised(tmp_path):
    run, bench = tmp_path / "run", tmp_path / "bench"
    run.mkdir()
    bench.mkdir()
    (run / "metrics.jsonl").write_text("".join(f'{{"step": {i}, "reward_gap": {i}}}\n' for i in range(1, 9)))
    row = {"world": "w", "loss": "simpo", "noise": "ties", "rate": 0.2, "seed": 0, "gold_reward": 0.5}
    (bench / "results.json").write_text(json.dumps([row]))
    for folder, kind in ((run, "run"), (bench, "benchmark")):
        done = gammapo(folder, "--format", "json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["kind"] == kind


def test_a_benchmarks_page_is_the_one_that_the_benchmark_wrote(tmp_path, run):
    """Title, command, means of what else was measured and failures lie in statistics.json."""
    rows = [
        {
            "world": "w",
            "loss": loss,
            "noise": "ties",
            "rate": 0.2,
            "seed": seed,
            "gold_reward": gold + seed / 9,
        }
        for loss, gold in (("simpo", 0.5), ("dpo", 0.4))
        for seed in (0, 1)
    ]
    cells = [
        {"world": "w", "noise": "ties", "rate": 0.2, "loss": loss, "win_rate_over_baseline": 0.25}
        for loss in ("simpo", "dpo")
    ]
    failures = [{**rows[0], "loss": "orpo", "error": "out of memory"}]
    noted = {"title": "My grid", "command": "gammapo bench my.yaml", "baseline": "dpo"}
    (tmp_path / "results.json").write_text(json.dumps(rows))
    (tmp_path / "statistics.json").write_text(json.dumps({**noted, "cells": cells, "failures": failures}))
    code, _, err = run("report", tmp_path, "-o", tmp_path / "r.md")
    assert code == 0, err
    options = {**noted, "cells": cells, "failures": failures, "highlight": ["dpo"]}
    assert (tmp_path / "r.md").read_text() == benchmark_page(rows, **options).markdown()
    for said in ("# My grid", "gammapo bench my.yaml", "WR over dpo", "out of memory"):
        assert said in (tmp_path / "r.md").read_text()


def test_a_recipe_or_a_ledger_of_something_else_is_named(tmp_path, run):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "accuracy": 0.5}\n' * 6)
    (tmp_path / "recipe.yaml").write_bytes(b"name: \xe9\n")
    code, _, err = run("report", tmp_path)
    assert (code, "recipe.yaml: cannot be read as text" in err) == (2, True)
    (tmp_path / "recipe.yaml").unlink()
    columns = {"pair_id": ["a"] * 9, "step": [1] * 9, "reward_gap": ["x"] * 9}
    pq.write_table(pa.table(columns), tmp_path / "ledger.parquet")
    code, _, err = run("report", tmp_path)
    assert (code, "ledger.parquet: reward_gap: holds no numbers" in err) == (2, True)


def test_a_line_of_runs_that_nests_too_deeply_is_named(tmp_path, run):
    (tmp_path / "results.jsonl").write_text("[" * 50_000)
    code, _, err = run("report", tmp_path)
    assert (code, "results.jsonl:1: not valid JSON" in err) == (2, True)


def test_times_that_are_none_are_left_out(tmp_path, run):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/metrics.jsonl").write_text('{"step": 1, "accuracy": 0.5}\n' * 6)
    (tmp_path / "run/run.json").write_text('{"seconds": NaN}')
    assert run("report", tmp_path / "run")[0] == 0
    (tmp_path / "results.json").write_text(json.dumps(ROWS))
    (tmp_path / "meta.json").write_text('{"seconds": NaN, "stages": {"train": 1.5}}')
    assert run("report", tmp_path)[0] == 0


def test_a_run_with_odd_facts_is_reported_without_them(tmp_path, run):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "accuracy": 0.5}\n' * 6)
    about = {"versions": ["torch"], "recipe": {"noise": {"kind": "symmetric", "rate": "some"}}}
    (tmp_path / "run.json").write_text(json.dumps(about))
    code, _, err = run("report", tmp_path)
    assert code == 0, err


@pytest.mark.parametrize("make", ["empty", "other", "absent"])
def test_another_folder_says_what_was_expected(tmp_path, make):
    folder = tmp_path / "f"
    if make != "absent":
        folder.mkdir()
    if make == "other":
        (folder / "notes.txt").write_text("x")
    done = gammapo(folder)
    assert done.returncode == 2
    assert "results.json" in done.stderr
    assert "metrics.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
    assert ("notes.txt" in done.stderr) == (make == "other")


def test_an_output_of_another_kind_is_refused(demo):
    done = gammapo(demo, "-o", demo / "r.pdf")
    assert done.returncode == 2
    assert ".html or .md" in done.stderr


PAIR = {"a": "x", "b": "base", "metric": "gold_reward", "difference": 0.3, "ci95": [0.1, 0.5]}
RUN = {"world": "w", "loss": "simpo", "noise": "ties", "rate": 0.2, "seed": 0, "gold_reward": 0.5}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"results.json": ROWS, "comparisons.json": [5]}, "comparisons.json:1: a: is missing"),
        ({"results.json": ROWS, "comparisons.json": [{**PAIR, "difference": "x"}]}, "difference: got 'x'"),
        ({"results.json": ROWS, "comparisons.json": [{**PAIR, "metric": 3}]}, "metric: got 3"),
        ({"results.json": [{**ROWS[0], "loss": ["x"]}]}, "results.json: loss: base: ['x']"),
        ({"results.json": [{**ROWS[1], "noise_rate": "lots"}]}, "results.json: noise_rate: x: 'lots'"),
        (
            {"results.json": ROWS, "answers/x.json": [{"instruction": "a", "output": "b", "parts": [1]}]},
            "x.json: parts: answer 1: got [1]",
        ),
        ({"results.json": {"kind": "repair"}}, "results.json: plan: is missing"),
        ({"results.json": [{**RUN, "seed": [1]}]}, "results.json:1: seed: got [1]"),
        ({"results.json": [{**RUN, "noise": ["x"]}]}, "results.json:1: noise: got ['x']"),
        ({"results.parquet": "no Parquet"}, "results.parquet: cannot be read as Parquet"),
        ({"metrics.jsonl": {"step": 1}, "run.json": {"recipe": "x"}}, "run.json: recipe: holds no recipe"),
        ({"metrics.jsonl": {"step": 1}, "noise.json": {"changed": {}, "pairs": "x"}}, "noise.json: pairs: "),
        ({"metrics.jsonl": {"step": 1}, "noise.json": {"changed": {}, "steps": [3]}}, "noise.json: steps: "),
        ({"results.json": [RUN], "statistics.json": {"failures": [3]}}, "failures[1].world: is missing"),
        ({"results.json": [RUN], "statistics.json": {"failures": 3}}, "statistics.json: failures: got 3"),
        ({"results.json": [RUN], "statistics.json": {"title": ["x"]}}, "statistics.json: title: got ['x']"),
        (
            {"results.json": [RUN], "statistics.json": {"cells": [{**RUN, "loss": "x"}]}},
            "cells[1].loss: 'x' has",
        ),
        ({"results.json": [RUN], "statistics.json": {"cells": [{**RUN, "kl": "x"}]}}, "cells[1].kl: got 'x'"),
        ({"metrics.jsonl": {"step": 1}, "run.json": {"recipe": {"loss": {"name": [1]}}}}, "recipe.loss.name"),
        (
            {"metrics.jsonl": {"step": 1}, "noise.json": {"changed": {"a": {"change": [1]}}}},
            "noise.json: changed: is no noise manifest",
        ),
        ({"results.json": ROWS, "meta.json": {"settings": [1]}}, "meta.json: settings: got [1]"),
        ({"results.json": ROWS, "meta.json": {"stages": {"a": "x"}}}, "meta.json: stages.a: got 'x'"),
    ],
)
def test_a_broken_file_is_named_with_its_field(tmp_path, run, files, said):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(content))
    code, _, err = run("report", tmp_path)
    assert code == 2
    assert said in err
    assert not (tmp_path / "report.html").exists()
