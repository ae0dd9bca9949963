"""Which kind of folder is it? Told by its files, so that `gammapo report DIR` needs no further word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import read_json
from gammapo.report import benchmark, benchmark_files, blocks, demo, repair, robustness, run
from gammapo.report.demo_files import read_demo
from gammapo.report.markup import plain
from gammapo.report.page import Page
from gammapo.report.results import Row

EXPECTED = (
    "a demo's output (results.json with one object a model), a repair's, a training run (metrics.jsonl) "
    "or a benchmark (results.jsonl, .json or .parquet with world, loss, noise, rate, seed)"
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A page and its gist. `kind` is "demo", "repair", "run" or "benchmark". `rows` are a demo's results, a
    repair's arms, the signs noticed in a run, or a benchmark's ranking; `comparisons` are the paired
    differences of a demo or a repair."""

    kind: str
    page: Page
    rows: Sequence[Row]
    comparisons: Sequence[Row] = ()

    @property
    def finding(self) -> str:
        """The page's sentence to take home, if it has one."""
        found = (block.source for block in self.page.blocks if isinstance(block, blocks.Finding))
        return plain(next(found, ""))


def report_on(folder: str | Path) -> Report:
    """Recognise the folder, read it and write its page.

    Raises:
        InputError: no such folder, none of the known kinds, or a file that does not hold what it should.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", file=folder, expected=EXPECTED, fix="check the path")
    kind = recognise(folder)
    if kind == "demo":
        found = read_demo(folder)
        page = demo.demo_page(found)
        return Report(kind=kind, page=page, rows=found.results, comparisons=found.comparisons)
    if kind == "benchmark":
        rows = benchmark_files.read_benchmark(folder)
        page = benchmark.benchmark_page(rows, **benchmark_files.read_statistics(folder, rows))
        return Report(kind=kind, page=page, rows=ranking(rows))
    if kind == "repair":
        results = repair.read_repair(folder / "results.json")
        page, rows = repair.repair_page(results), results["arms"]
        return Report(kind=kind, page=page, rows=rows, comparisons=results["comparisons"])
    page = run.run_page(folder)
    signs = [block for block in page.blocks if isinstance(block, blocks.Warn)]
    return Report(
        kind=kind, page=page, rows=[{"level": sign.level, "sign": plain(sign.source)} for sign in signs]
    )


def ranking(rows: Sequence[Row], metric: str = "gold_reward") -> list[dict[str, Any]]:
    """A benchmark's ranking as plain rows."""
    standings, cells = robustness.rank(robustness.tabulate(rows, metric), rows)
    return [
        {
            "loss": one.loss,
            "score": one.score.mean,
            "ci95": [one.score.low, one.score.high],
            "behind": None if one.behind is None else one.behind.mean,
            "behind_ci95": None if one.behind is None else [one.behind.low, one.behind.high],
            "best_or_tied": one.top,
            "conditions": len(cells),
            "seeds": one.score.count,
        }
        for one in standings
    ]


def recognise(folder: Path) -> str:
    """ "demo", "repair", "benchmark" or "run".

    Raises:
        InputError: none of them, with what was expected and what lies there.
    """
    if (folder / "results.json").is_file():
        rows = read_json(folder / "results.json")
        if isinstance(rows, dict) and rows.get("kind") == "repair":
            return "repair"
        first = rows[0] if isinstance(rows, list) and rows else {}
        return "benchmark" if isinstance(first, dict) and {"world", "seed"} <= set(first) else "demo"
    if any((folder / name).is_file() for name in benchmark_files.FILES):
        return "benchmark"
    if (folder / "metrics.jsonl").is_file():
        return "run"
    names = sorted(path.name for path in folder.iterdir())[:6]
    there = "holds " + ", ".join(names) if names else "is empty"
    raise InputError(f"nothing to report on: the folder {there}", file=folder, expected=EXPECTED)
