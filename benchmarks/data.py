"""Speed and memory of the data tools: describe, corrupt and audit 100,000 pairs on one core.

    python benchmarks/data.py --pairs 100000 --format json

The pairs are synthetic, with scores and UltraFeedback-like lengths (lognormal, prompts of about 150 words,
answers of about 175). Each verb runs as its own process, as a user would run it; seconds are wall time,
memory is the process's peak resident set. The aim is 60 s in all, and 2 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = """
the a of to and in is that it for on with as are this be by from or an at not have which you can one more
all but will their what so if about when there we use like time some very just most other new first also
after way many must look before great back through long where much should well people down own good
because each river mountain bridge water letter number answer question reason example language system
model house garden
""".split()


def sentence_text(random_: random.Random, mean_words: float) -> str:
    """Words in sentences; the number of words is lognormal around `mean_words`, in [3, 6 · mean]."""
    count = int(min(max(random_.lognormvariate(0, 0.6) * mean_words * 0.84, 3), 6 * mean_words))
    words = random_.choices(WORDS, k=count)
    for start in range(0, count, 14):
        words[start] = words[start].capitalize()
        words[min(start + 13, count - 1)] += "."
    return " ".join(words)


def write_synthetic(path: Path, pairs: int, seed: int = 0) -> None:
    random_ = random.Random(seed)
    with path.open("w", encoding="utf-8") as out:
        for _ in range(pairs):
            prompt = {"role": "user", "content": sentence_text(random_, 150)}
            row = {"prompt": prompt["content"], "score_chosen": random_.randint(4, 10) / 1.0}
            row["score_rejected"] = row["score_chosen"] - random_.choice((0, 0.5, 1, 2, 3, 4))
            for side in ("chosen", "rejected"):
                answer = {"role": "assistant", "content": sentence_text(random_, 175)}
                row[side] = [prompt, answer]
            out.write(json.dumps(row) + "\n")


def measure(arguments: list[str]) -> dict[str, float]:
    """Run the command line in a process of its own; wall seconds and peak resident GB."""
    code = "from gammapo.cli.app import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: gammapo {' '.join(arguments)}")
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_gb": round(usage.ru_maxrss / 1e6, 3),
    }


def run(pairs: int) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        source, noisy = Path(folder) / "pairs.jsonl", Path(folder) / "noisy.jsonl"
        write_synthetic(source, pairs)
        commands = {
            "describe": ["data", "describe", str(source), "--format", "json"],
            "corrupt": ["corrupt", str(source), "--noise", "ambiguous", "--rate", "0.3", "-o", str(noisy)],
            "audit": ["audit", str(noisy), "--html", str(Path(folder) / "audit.html"), "--format", "json"],
        }
        megabytes = source.stat().st_size / 1e6
        cases = {name: measure(arguments) for name, arguments in commands.items()}
    return {
        "pairs": pairs,
        "megabytes": round(megabytes, 1),
        "cases": cases,
        "total_seconds": round(sum(case["seconds"] for case in cases.values()), 2),
        "total_cpu_seconds": round(sum(case["cpu_seconds"] for case in cases.values()), 2),
        "peak_gb": max(case["peak_gb"] for case in cases.values()),
        "machine": f"{platform.machine()}, Python {platform.python_version()}, one core",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--format", choices=("table", "json"), default="table")
    options = parser.parse_args()
    result = run(options.pairs)
    if options.format == "json":
        print(json.dumps(result, indent=2))
        return
    print(f"{result['pairs']} pairs, {result['megabytes']} MB; {result['machine']}")
    for name, case in result["cases"].items():
        print(
            f"{name:10} {case['seconds']:7.1f} s  ({case['cpu_seconds']:.1f} s CPU)  {case['peak_gb']:.2f} GB"
        )
    print(f"{'in all':10} {result['total_seconds']:7.1f} s  ({result['total_cpu_seconds']:.1f} s of CPU)")


if __name__ == "__main__":
    main()
