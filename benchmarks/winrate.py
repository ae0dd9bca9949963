"""Seconds a file for `gammapo winrate`, by step, and the distance of LC from published numbers.

    python benchmarks/winrate.py FOLDER [--leaderboard leaderboard.csv] [--bootstrap 1000]

FOLDER holds judgement files (`*.json.gz` or `*.json`). Times are process time of one core, best of three.
"""

from __future__ import annotations

import argparse
import csv
import resource
import subprocess
import sys
import time
from pathlib import Path


def best(action, repeats: int = 3):
    """The action's result and its shortest process time in seconds."""
    results, times = [], []
    for _ in range(repeats):
        begun = time.process_time()
        results.append(action())
        times.append(time.process_time() - begun)
    return results[-1], min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--leaderboard", type=Path, help="csv with length_controlled_winrate by model")
    parser.add_argument("--bootstrap", type=int, default=1000)
    arguments = parser.parse_args()

    from gammapo import evaluation

    files = sorted([*arguments.folder.glob("*.json.gz"), *arguments.folder.glob("*.json")])
    if not files:
        sys.exit(f"no *.json.gz or *.json in {arguments.folder}")
    published = {}
    if arguments.leaderboard:
        with arguments.leaderboard.open() as source:
            published = {row[""]: float(row["length_controlled_winrate"]) for row in csv.DictReader(source)}

    print("| file | read s | evaluate s | bootstrap s | LC | as the leaderboard | published | gap |")
    print("|---|---|---|---|---|---|---|---|")
    gaps = []
    for path in files:
        name = path.name.split(".json")[0]
        rows, reading = best(lambda path=path: evaluation.read_annotations(path))
        plain = evaluation.Options(bootstrap=0)
        result, evaluating = best(lambda rows=rows, plain=plain: evaluation.evaluate(rows, plain))
        lc = result.length_controlled
        begun = time.process_time()
        if lc is not None:
            evaluation.bootstrap_ci(lc, n_bootstrap=arguments.bootstrap)
        resampling = time.process_time() - begun
        cells = [f"{reading:.2f}", f"{evaluating:.2f}", f"{resampling:.2f}"]
        cells.append("" if lc is None else f"{lc.length_controlled_winrate:.2f}")
        if name in published:
            compatible = evaluation.Options(bootstrap=0, leaderboard_compatible=True)
            value = evaluation.evaluate(rows, compatible).as_dict()["length_controlled_winrate"]
            gaps.append(value - published[name])
            cells += [f"{value:.3f}", f"{published[name]:.3f}", f"{gaps[-1]:+.3f}"]
        else:
            cells += ["", "", ""]
        print(f"| {name} | " + " | ".join(cells) + " |")
    if gaps:
        sizes = [abs(gap) for gap in gaps]
        print(f"\n{len(gaps)} files: largest gap {max(sizes):.3f}, mean {sum(sizes) / len(sizes):.3f} points")
    run = "from gammapo.cli.app import main; main()"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", run, "winrate", str(files[0]), "--bootstrap", "0", "--format", "json"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"the whole command on one file, start-up included: {spent:.2f} s of one core")


if __name__ == "__main__":
    main()
