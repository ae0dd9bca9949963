"""What the numbers say, in words. Nothing here is decided by names: only by differences and intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gammapo.report.numbers import number, percent
from gammapo.report.results import METRICS, metric

Row = Mapping[str, Any]
GOLD = METRICS["gold_reward"]
LEVEL = 0.05  # of a corrected p-value, where one is given


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A sentence, and whether the data decided anything."""

    text: str
    decided: bool


def decides(comparison: Row) -> bool:
    """Whether a paired difference is told from zero: by its interval, and by its p-value corrected for the
    number of comparisons (`p_value_holm`) where one is given."""
    low, high = comparison["ci95"]
    corrected = comparison.get("p_value_holm")
    return not low <= 0 <= high and (corrected is None or corrected < LEVEL)


def verdict(comparison: Row) -> Verdict:
    """In a few words, what a paired difference says: which is better, or that they cannot be told apart."""
    if not decides(comparison):
        return Verdict(text="cannot be told apart", decided=False)
    winner = comparison["a"] if comparison["ci95"][0] > 0 else comparison["b"]
    return Verdict(text=f"{winner} is higher", decided=True)


def headline(results: Sequence[Row], comparisons: Sequence[Row]) -> Verdict:
    """The finding in one sentence.

    It is about the models whose training saw the most noise (all trained models, if that is one): does the
    one with the greatest gold reward beat the others, by the paired differences? Where these hold no such
    pair, the first of them is told; where there are none, the two best models' own intervals are compared,
    and the sentence says that this is the weaker test.
    """
    by_model = {row["model"]: row for row in results}
    usable = [row for row in comparisons if row["a"] in by_model and row["b"] in by_model]
    usable.sort(key=lambda row: row["metric"] != "gold_reward")
    rivals = _rivals(results)
    pairs = [found for rival in rivals[1:] if (found := _between(rivals[0], rival, usable))]
    if len(pairs) > 1:
        return _several(pairs, by_model)
    if pairs or usable:
        return _paired(pairs[0] if pairs else usable[0], by_model)
    return _unpaired(rivals[0], rivals[1]) if len(rivals) > 1 else _alone(rivals)


def _rivals(results: Sequence[Row]) -> list[Row]:
    """The models to be compared, the greatest gold reward first."""
    trained = [row for row in results if row.get("loss") is not None and row.get("gold_reward") is not None]
    most = max((row.get("noise_rate") or 0 for row in trained), default=0)
    noisiest = [row for row in trained if (row.get("noise_rate") or 0) == most]
    return sorted(noisiest if len(noisiest) > 1 else trained, key=lambda row: -row["gold_reward"])


def _between(first: Row, second: Row, comparisons: Sequence[Row]) -> Row | None:
    """The difference first − second in gold reward, turned round if it was taken the other way."""
    for row in comparisons:
        if row["metric"] == "gold_reward" and {row["a"], row["b"]} == {first["model"], second["model"]}:
            return row if row["a"] == first["model"] else _turned(row)
    return None


def _turned(row: Row) -> Row:
    low, high = row["ci95"]
    turned = {"a": row["b"], "b": row["a"], "difference": -row["difference"], "ci95": [-high, -low]}
    return {**row, **turned}


def _several(pairs: Sequence[Row], by_model: Mapping[str, Row]) -> Verdict:
    """One leader against several rivals."""
    best = by_model[pairs[0]["a"]]
    beaten = [_against(row, by_model) for row in pairs if decides(row)]
    tied = [_against(row, by_model) for row in pairs if not decides(row)]
    words = [f"beats {_listed(beaten)}"] if beaten else []
    words += [f"cannot be told apart from {_listed(tied)}"] if tied else []
    start = _setting([best, *(by_model[row["b"]] for row in pairs)])
    text = (
        f"{start}**{best['model']}** has the highest gold reward, {GOLD.text(best['gold_reward'])}: it "
        f"{' but '.join(words)} (paired differences with 95 % intervals)."
    )
    return Verdict(text=text, decided=not tied)


def _against(row: Row, by_model: Mapping[str, Row]) -> str:
    value = GOLD.text(by_model[row["b"]].get("gold_reward"))
    gap, ends = GOLD.text(row["difference"], sign=True), GOLD.span(row["ci95"], sign=True)
    return f"**{row['b']}** ({value}; {gap}, {ends})"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _paired(row: Row, by_model: Mapping[str, Row]) -> Verdict:
    row = _turned(row) if row["difference"] < 0 else row
    shown, first, second = metric(row["metric"]), by_model[row["a"]], by_model[row["b"]]
    values = f"{shown.text(first.get(row['metric']))} against {shown.text(second.get(row['metric']))}"
    width = f"95 % interval of the paired difference {shown.span(row['ci95'], sign=True)}"
    amount, start = shown.text(row["difference"], sign=True), _setting([first, second])
    a, b = f"**{row['a']}**", f"**{row['b']}**"
    if decides(row):
        return Verdict(text=f"{start}{a} beats {b}: {shown.name} {values}, {amount} ({width}).", decided=True)
    why = f"but the {width} includes zero"
    if row["ci95"][0] > 0:
        corrected = number(row["p_value_holm"], 3)
        why = f"{width}, but corrected for the number of comparisons its p-value is {corrected}"
    text = f"{start}{a} and {b} cannot be told apart: {shown.name} {values}, {amount}, {why}."
    return Verdict(text=text, decided=False)


def _unpaired(first: Row, second: Row) -> Verdict:
    values = f"{GOLD.text(first['gold_reward'])} against {GOLD.text(second['gold_reward'])}"
    start = _setting([first, second])
    names = f"**{first['model']}**", f"**{second['model']}**"
    a, b = first.get(GOLD.interval), second.get(GOLD.interval)
    if a and b and a[0] > b[1]:
        text = (
            f"{start}{names[0]} beats {names[1]}: {GOLD.name} {values}; their 95 % intervals do not overlap."
        )
        return Verdict(text=text, decided=True)
    why = (
        "their 95 % intervals overlap and no paired difference was given"
        if a and b
        else "no interval was given"
    )
    text = f"{start}{names[0]} and {names[1]} cannot be told apart: {GOLD.name} {values}; {why}."
    return Verdict(text=text, decided=False)


def _alone(rivals: Sequence[Row]) -> Verdict:
    if not rivals:
        return Verdict(text="No trained model with a gold reward is among the results.", decided=False)
    ends = GOLD.span(rivals[0].get(GOLD.interval))
    width = f" (95 % interval {ends})" if ends else ""
    text = f"**{rivals[0]['model']}** earns a gold reward of {GOLD.text(rivals[0]['gold_reward'])}{width}."
    return Verdict(text=text, decided=False)


def _setting(rows: Sequence[Row]) -> str:
    """ "With 40 % of the labels corrupted, " where that holds for all trained models named, or nothing."""
    rates = {row.get("noise_rate") or 0 for row in rows if row.get("loss") is not None}
    if len(rates) != 1:
        return ""
    (rate,) = rates
    return f"With {percent(rate)} of the labels corrupted, " if rate else "On clean labels, "
