import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gammapo.errors import InputError
from gammapo.report import benchmark_page, benchmark_report
from gammapo.report.benchmark_files import read_benchmark


def make(drop, seeds=6, worlds=("tiny",)):
    """Runs of losses that lose `drop[loss]` of their reward at full noise."""
    rng = np.random.default_rng(0)
    return [
        {"world": world, "loss": loss, "noise": noise, "rate": rate, "seed": seed, "seconds": 20.0}
        | {"gold_reward": float(0.8 - lost * rate + rng.normal(0, 0.01))}
        for world in worlds
        for loss, lost in drop.items()
        for noise in ("symmetric", "ties")
        for rate in (0.2, 0.4)
        for seed in range(seeds)
    ]


def test_the_finding_names_a_clear_leader():
    page = benchmark_page(make({"strong": 0.1, "weak": 1.0}))
    text = page.markdown()
    assert "> Over 4 conditions **strong** has the highest mean gold reward" in text
    assert "best, or cannot be told from the best, in 4 of them" in text


def test_the_finding_admits_a_tie():
    text = benchmark_page(make({"one": 0.5, "two": 0.5})).markdown()
    assert "cannot be told apart from" in text


def test_missing_runs_are_told():
    rows = make({"one": 0.5, "two": 0.9})
    assert "still to come" not in benchmark_page(rows).markdown()
    rows[3]["gold_reward"] = None
    assert "1 run failed or still to come" in benchmark_page(rows).markdown()


def test_runs_of_several_processors_are_told():
    rows = make({"one": 0.5, "two": 0.9})
    for row in rows[:5]:
        row["device"] = "cpu"  # what older rows do not say
    assert "Runs were made on" not in benchmark_page(rows).markdown()
    rows[3]["device"] = "NVIDIA H100"
    assert "Runs were made on NVIDIA H100 and on cpu" in benchmark_page(rows).markdown()
    rows[4]["device"] = None  # as a table has it where only some rows say
    assert "Runs were made on NVIDIA H100 and on cpu" in benchmark_page(rows).markdown()


def test_failures_are_told_by_place_and_the_many_are_counted():
    failures = [
        {"world": "tiny", "loss": f"loss {n // 2}", "noise": "ties", "rate": 0.4, "seed": n % 2}
        | {"error": f"RunError: step {n}\nand more"}
        for n in range(24)
    ]
    text = benchmark_page(make({"a": 0.2}), failures=failures).markdown()
    assert "**loss 0** failed in tiny, ties 40\u00a0%, seeds 0, 1: RunError: step 0\n" in text
    assert "and more" not in text
    assert "Runs failed in 2 more places." in text


def test_html_and_markdown_hold_every_condition():
    rows = make({"a": 0.2, "b": 0.9}, worlds=("tiny", "other"))
    html, text = benchmark_report(rows), benchmark_page(rows).markdown()
    for words in ("symmetric 20\u00a0%", "ties 40\u00a0%", "tiny: ", "other: ", "What it cost", "20 s"):
        assert words in html
        assert words in text
    assert html.count('<svg class="chart"') + html.count('class="chart"') >= 6
    assert benchmark_report(rows) == html


def test_a_ranking_of_the_callers_own():
    rows = make({"a": 0.2, "b": 0.9})
    ranking = [
        {"loss": "a", "score": 0.75, "ci95": [0.7, 0.8]},
        {"loss": "b", "score": 0.5, "difference": -0.25},
    ]
    text = benchmark_page(rows, ranking=ranking).markdown()
    assert "| 1. a | 0.750 (0.700 to 0.800) | – |" in text
    assert "| 2. b | 0.500 | −0.250 |" in text


def test_another_metric():
    rows = [{**row, "win_rate": 100 * row["gold_reward"]} for row in make({"a": 0.2, "b": 0.9})]
    assert "highest mean win rate" in benchmark_page(rows, metric="win_rate").markdown()


def test_a_benchmark_of_clean_labels_only_has_no_curves():
    rows = [{**row, "rate": 0.0} for row in make({"a": 0.2}) if row["rate"] == 0.2 and row["noise"] == "ties"]
    html = benchmark_report(rows)
    assert "As labels get worse" not in html


@pytest.mark.parametrize("name", ["results.json", "results.jsonl", "results.parquet"])
def test_rows_are_read_from_any_of_the_files(tmp_path, name):
    rows = make({"a": 0.2}, seeds=1)
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
    elif name.endswith("jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        (tmp_path / name).write_text(json.dumps(rows))
    assert read_benchmark(tmp_path) == rows


def test_a_broken_line_is_placed(tmp_path):
    (tmp_path / "results.jsonl").write_text(json.dumps(make({"a": 0.1})[0]) + "\n{oops\n")
    with pytest.raises(InputError, match=r"results\.jsonl:2"):
        read_benchmark(tmp_path)


def test_what_else_was_measured_is_told_as_far_as_it_is_known():
    rows = make({"a": 0.2, "b": 0.9})
    cells = [
        {"world": row["world"], "noise": row["noise"], "rate": row["rate"], "loss": row["loss"]}
        | {"win_rate": 0.612, "win_rate_over_baseline": None, "kl": 1.5}
        for row in rows
        if row["seed"] == rows[0]["seed"]
    ]
    text = benchmark_page(rows, cells=cells, baseline="simpo").markdown()
    assert "Beside the gold reward" in text
    assert "61.2" in text
    assert "KL to base" in text
    assert "WR over simpo" not in text, "nothing is known of it"
    assert "Beside the gold reward" not in benchmark_page(rows).markdown()
