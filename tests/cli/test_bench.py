import json

import yaml
from typer.testing import CliRunner

from gammapo.cli.app import app

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
    assert json.loads(planned.stdout) == {"runs": 8, "stored": 0, "tuned_first": False}
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
