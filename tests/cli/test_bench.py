import json
from pathlib import Path

import yaml
from typer.testing import CliRunner

from gammapo.cli.app import app
from gammapo.cli.bench import _repeat
from gammapo.errors import InputError

GRID = {
    "worlds": [{"name": "softmax", "contexts": 8, "as": "table"}],
    "losses": {"simpo": {}, "dpo": {}},
    "noise": [{"kind": "symmetric", "rates": [0.4]}],
    "seeds": 2,
    "training": {"pairs": 300, "learning_rate": 0.1},
    "workers": 1,
}


def test_bench_writes_results_and_prints_json(tmp_path):
    path, out = tmp_path / "grid.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(GRID))
    planned = CliRunner().invoke(app, ["bench", str(path), "-o", str(out), "--dry-run", "--format", "json"])
    assert json.loads(planned.stdout) == {"runs": 8, "stored": 0, "tuning_runs_left": 0}
    assert not out.exists()
    done = CliRunner().invoke(app, ["bench", str(path), "-o", str(out), "--format", "json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert len(result["cells"]) == 4
    assert "s left" in done.stderr
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["loss"] for row in rows} == {"simpo", "dpo"}
    report = CliRunner().invoke(app, ["report", str(out), "-o", str(tmp_path / "again.md")])
    assert report.exit_code == 0, report.output


def test_the_command_in_the_report_makes_the_same_rows():
    assert _repeat(Path("my grid.yaml"), Path("out"), 0.0) == "gammapo bench 'my grid.yaml' -o out"
    assert _repeat(Path("g.yaml"), Path("out"), 0.25) == "gammapo bench g.yaml -o out --gpus 0.25"


def test_stored_runs_are_made_again_and_a_touched_number_is_found(tmp_path):
    path, out = tmp_path / "grid.yaml", tmp_path / "out"
    path.write_text(yaml.safe_dump(GRID | {"seeds": 1}))
    ask = ["bench", str(path), "-o", str(out)]
    empty = CliRunner().invoke(app, [*ask, "--remake", "2"])
    assert isinstance(empty.exception, InputError)
    assert "holds no run" in str(empty.exception)
    CliRunner().invoke(app, ask)
    kept = {file: file.read_bytes() for file in out.rglob("*") if file.is_file()}
    again = CliRunner().invoke(app, [*ask, "--remake", "9", "--format", "json"])
    assert again.exit_code == 0, again.output
    rows = json.loads(again.stdout)
    assert [row["alike"] for row in rows] == [True] * 4
    assert all(row["now"] == row["stored"] for row in rows)
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == kept

    run = sorted((out / "runs").iterdir())[0]
    touched = json.loads(run.read_text())
    touched["row"]["gold_reward"] += 0.01
    run.write_text(json.dumps(touched))
    found = CliRunner().invoke(app, [*ask, "--remake", "9"])
    assert found.exit_code == 1
    assert sum(line.split()[-1] == "no" for line in found.stdout.splitlines()) == 1
    assert len(json.loads(CliRunner().invoke(app, [*ask, "--remake", "1", "--format", "json"]).stdout)) == 1
