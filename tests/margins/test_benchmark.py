"""benchmarks/margins.py runs, and what it times is solved (its times are never tested)."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "margins.py"


def test_json_report():
    command = [sys.executable, str(SCRIPT), "--pairs", "64", "--repeats", "3", "--format", "json"]
    done = subprocess.run([*command, "--step-seconds", "5"], capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["pairs"], report["threads"]) == (64, 1)
    for row in report["settings"]:
        assert row["residual"] < 1e-5
        assert abs(row["percent_of_step"] - row["ms"] / 50) < 1e-9
