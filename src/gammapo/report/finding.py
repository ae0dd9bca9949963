"""What the numbers say, in words. Nothing here is decided by names: only by differences and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gammapo.report.numbers import percent
from gammapo.report.results import metric

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A sentence, and whether the data decided anything."""

    text: str
    decided: bool


def verdict(comparison: Row) -> Verdict:
    """In a few words, what a paired difference says: which is better, or that they cannot be told apart."""
    low, high = comparison["ci95"]
    if low <= 0 <= high:
        return Verdict(text="cannot be told apart", decided=False)
    winner = comparison["a"] if low > 0 else comparison["b"]
    return Verdict(text=f"{winner} is higher", decided=True)


def headline(results: Sequence[Row], comparisons: Sequence[Row]) -> Verdict:
    """The finding in one sentence.

    With paired differences, it is about the first one on the gold reward (or else the first of all: the
    caller puts first what was asked). Without, it compares the two best of the models that saw the most
    noise by their own intervals, and says that this is the weaker test.
    """
    by_model = {row["model"]: row for row in results}
    usable = [row for row in comparisons if row["a"] in by_model and row["b"] in by_model]
    usable.sort(key=lambda row: row["metric"] != "gold_reward")
    if usable:
        return _paired(usable[0], by_model)
    trained = [row for row in results if row.get("loss") is not None and row.get("gold_reward") is not None]
    most = max((row.get("noise_rate") or 0 for row in trained), default=0)
    rivals = [row for row in trained if (row.get("noise_rate") or 0) == most]
    if len(rivals) < 2:
        rivals = trained
    rivals = sorted(rivals, key=lambda row: -row["gold_reward"])
    if len(rivals) < 2:
        return _alone(rivals)
    return _unpaired(rivals[0], rivals[1])


def _paired(row: Row, by_model: Mapping[str, Row]) -> Verdict:
    shown = metric(row["metric"])
    a, b, difference, ends = row["a"], row["b"], row["difference"], list(row["ci95"])
    if difference < 0:
        a, b, difference, ends = b, a, -difference, [-ends[1], -ends[0]]
    first, second = by_model[a], by_model[b]
    values = f"{shown.text(first.get(row['metric']))} against {shown.text(second.get(row['metric']))}"
    width = f"95 % interval of the paired difference {shown.span(ends, sign=True)}"
    amount = shown.text(difference, sign=True)
    if ends[0] > 0:
        text = f"{_setting(first, second)}**{a}** beats **{b}**: {shown.name} {values}, {amount} ({width})."
        return Verdict(text=text, decided=True)
    text = (
        f"{_setting(first, second)}**{a}** and **{b}** cannot be told apart: {shown.name} {values}, "
        f"{amount}, but the {width} includes zero."
    )
    return Verdict(text=text, decided=False)


def _unpaired(first: Row, second: Row) -> Verdict:
    shown = metric("gold_reward")
    values = f"{shown.text(first['gold_reward'])} against {shown.text(second['gold_reward'])}"
    start = _setting(first, second)
    a, b = first.get(shown.interval), second.get(shown.interval)
    if a and b and a[0] > b[1]:
        text = f"{start}**{first['model']}** beats **{second['model']}**: {shown.name} {values}; "
        text += "their 95 % intervals do not overlap."
        return Verdict(text=text, decided=True)
    why = (
        "their 95 % intervals overlap and no paired difference was given"
        if a and b
        else "no interval was given"
    )
    text = f"{start}**{first['model']}** and **{second['model']}** cannot be told apart: "
    text += f"{shown.name} {values}; {why}."
    return Verdict(text=text, decided=False)


def _alone(rivals: Sequence[Row]) -> Verdict:
    if not rivals:
        return Verdict(text="No trained model with a gold reward is among the results.", decided=False)
    shown = metric("gold_reward")
    ends = shown.span(rivals[0].get(shown.interval))
    width = f" (95 % interval {ends})" if ends else ""
    name = rivals[0]["model"]
    return Verdict(
        text=f"**{name}** earns a gold reward of {shown.text(rivals[0]['gold_reward'])}{width}.",
        decided=False,
    )


def _setting(first: Row, second: Row) -> str:
    """ "With 40 % of the labels corrupted, " where that holds for both, or else what each was given."""
    trained = [row for row in (first, second) if row.get("loss") is not None]
    rates = {row.get("noise_rate") or 0 for row in trained}
    if len(rates) == 1:
        (rate,) = rates
        return f"With {percent(rate)} of the labels corrupted, " if rate else "On clean labels, "
    return ""
