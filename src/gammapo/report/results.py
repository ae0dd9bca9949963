"""The rows of `results.json` and `comparisons.json`: what they must hold, and how each metric is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import read_json
from gammapo.report.charts.base import finite
from gammapo.report.numbers import number, percent, span

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How a metric is named and written. `interval` is the key of its 95 % interval, if it has one."""

    name: str
    head: str
    interval: str = ""
    digits: int = 2
    unit: str = ""
    best: bool = True  # whether the greatest value is the best

    def text(self, value: float | None, *, sign: bool = False) -> str:
        return number(value, self.digits, sign=sign) + (self.unit if value is not None else "")

    def span(self, ends: Sequence[float] | None, *, sign: bool = False) -> str:
        low, high = ends if ends else (None, None)
        return span(low, high, self.digits, sign=sign)


METRICS = {
    "gold_reward": Metric(name="gold reward", head="Gold reward", interval="gold_reward_ci95", digits=3),
    "win_rate": Metric(name="win rate", head="Win rate", interval="win_rate_ci95", digits=1, unit=" %"),
    "length_controlled_winrate": Metric(
        name="length-controlled win rate", head="Length-controlled", interval="lc_ci95", digits=1, unit=" %"
    ),
    "avg_length": Metric(name="answer length", head="Characters", digits=0, best=False),
    "chosen_reward": Metric(name="reward of the chosen answers", head="Reward of chosen", best=False),
}


def metric(key: str) -> Metric:
    """The metric's manner of being shown; an unknown one is shown by its key."""
    return METRICS.get(
        key, Metric(name=key.replace("_", " "), head=key.replace("_", " ").capitalize(), digits=3)
    )


def read_results(path: str | Path) -> list[dict[str, Any]]:
    """The list of `results.json`, one object a model.

    Raises:
        InputError: not a list of objects with a `model`, or a metric or interval of the wrong kind.
    """
    rows = read_json(path)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(
            "holds no list of results",
            file=path,
            expected="a list with one object a model",
            fix="run the demo again",
        )
    seen = set()
    for index, row in enumerate(rows, 1):
        check_result(row, path, index)
        if row["model"] in seen:
            raise InputError(
                f"model {row['model']!r} stands twice", file=path, field="model", expected="one row a model"
            )
        seen.add(row["model"])
    return rows


def check_result(row: Row, path: str | Path | None = None, index: int = 1) -> None:
    if not isinstance(row.get("model"), str):
        raise InputError(f"result {index} has no name", file=path, field="model", expected="a string")
    if not isinstance(row.get("loss"), str | None):
        raise InputError(
            f"{row['model']}: {row['loss']!r}", file=path, field="loss", expected="a name, or null"
        )
    rate = row.get("noise_rate")
    if rate is not None and not (finite(rate) and 0 <= rate <= 1):
        raise InputError(
            f"{row['model']}: {rate!r}",
            file=path,
            field="noise_rate",
            expected="a share from 0 to 1, or null",
        )
    for key, shown in METRICS.items():
        value = row.get(key)
        if value is not None and not finite(value):
            raise InputError(
                f"{row['model']}: {value!r} is no number", file=path, field=key, expected="a number"
            )
        if shown.interval and row.get(shown.interval) is not None:
            check_interval(row[shown.interval], path, shown.interval)


def check_interval(ends: Any, path: str | Path | None, field: str) -> None:
    pair = isinstance(ends, list | tuple) and len(ends) == 2 and all(finite(end) for end in ends)
    if not pair or ends[0] > ends[1]:
        raise InputError(f"{ends!r} is no interval", file=path, field=field, expected="[low, high]")


def read_comparisons(path: str | Path) -> list[dict[str, Any]]:
    """Paired differences `a − b`: objects with `a`, `b`, `metric`, `difference`, `ci95`. No file, no rows."""
    if not Path(path).is_file():
        return []
    rows = read_json(path)
    if not isinstance(rows, list):
        raise InputError(
            "holds no list", file=path, expected="a list of objects a, b, metric, difference, ci95"
        )
    for index, row in enumerate(rows, 1):
        for key in ("a", "b", "metric", "difference", "ci95"):
            if not isinstance(row, dict) or key not in row:
                raise InputError(
                    "is missing in a comparison",
                    file=path,
                    line=index,
                    field=key,
                    expected="objects with a, b, metric, difference and ci95",
                )
            wanted = "a string" if key in ("a", "b", "metric") else "a number" if key == "difference" else ""
            if wanted and not (isinstance(row[key], str) if wanted == "a string" else finite(row[key])):
                raise InputError(f"got {row[key]!r}", file=path, line=index, field=key, expected=wanted)
        check_interval(row["ci95"], path, "ci95")
    return rows


def describe_noise(row: Row) -> str:
    """What a model's labels were: "40 % corrupted", "clean", or "–" for an untrained model."""
    if row.get("loss") is None:
        return "–"
    return f"{percent(row['noise_rate'])} corrupted" if row.get("noise_rate") else "clean"
