import io
import json

from rich.console import Console

from gammapo.report import terminal_table
from gammapo.report.terminal import ranking_table


def printed(call, *args, width=80):
    out = io.StringIO()
    call(*args, console=Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_the_demos_table_fits_80_columns_and_ends_with_the_finding(demo_folder):
    results = json.loads((demo_folder / "results.json").read_text())
    text = printed(terminal_table, results, json.loads((demo_folder / "comparisons.json").read_text()))
    for row in results:
        assert row["model"] in text
        assert f"{row['gold_reward']:.3f}" in text
    assert "…" not in text
    assert "cannot be told apart" in text or "beats" in text


def test_it_prints_to_stdout(capsys):
    terminal_table([{"model": "m", "loss": "simpo", "noise_rate": 0.0, "gold_reward": 0.5}])
    assert "0.500" in capsys.readouterr().out


def test_ranking():
    rows = [
        {"loss": "a", "score": 0.7, "ci95": [0.6, 0.8], "behind": None, "behind_ci95": None}
        | {"best_or_tied": 3, "conditions": 4},
        {"loss": "b", "score": 0.5, "ci95": [None, None], "behind": -0.2, "behind_ci95": [-0.3, -0.1]}
        | {"best_or_tied": 1, "conditions": 4},
    ]
    text = printed(ranking_table, rows)
    assert "leader" in text
    assert "−0.300 to −0.100" in text
    assert "3/4" in text
