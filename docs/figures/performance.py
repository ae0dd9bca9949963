"""The picture of docs/performance.md: python docs/figures/performance.py

Drawn from benchmarks/results/pair_training.json, whatever is in it.
"""

import json
from pathlib import Path

import altair as alt
import vl_convert

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "benchmarks" / "results" / "pair_training.json"
NAMES = {
    "micro4": "SimPO, 4 pairs at a time",
    "micro1": "SimPO, 1 pair at a time",
    "micro4_grouped": "SimPO, 4 of like length",
    "grouped_budget": "the same, ours cut by tokens",
    "micro4_budget": "SimPO, 4, ours cut by tokens",
    "dpo_micro4": "DPO, 4 pairs at a time",
    "micro4_checkpointed": "SimPO, 4, checkpointed",
    "micro4_texts": "SimPO, 4, AlpacaEval texts",
}
OURS, THEIRS = "#0b6e8f", "#8a8a8a"


def rows(result: dict) -> list[dict]:
    """One row a case and side: seconds a pair and peak memory, and each step's ratio."""
    found = []
    for name, case in result["cases"].items():
        for side, label in (("trl", "TRL 1.16"), ("gammapo", "gammapo")):
            seconds = 1 / case["pairs_per_second"][side]
            found.append({"case": NAMES[name], "side": label, "s": seconds, "gb": case["peak_gb"][side]})
    return found


def bars(data: list[dict], value: str, title: str) -> alt.Chart:
    return (
        alt.Chart(alt.Data(values=data), title=title, width=250, height=alt.Step(16))
        .mark_bar()
        .encode(
            y=alt.Y("case:N", title=None, sort=list(NAMES.values()), axis=alt.Axis(labelLimit=220)),
            yOffset=alt.YOffset("side:N", sort=["TRL 1.16", "gammapo"]),
            x=alt.X(f"{value}:Q", title=None, axis=alt.Axis(grid=False)),
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=["TRL 1.16", "gammapo"], range=[THEIRS, OURS]),
                legend=alt.Legend(orient="bottom"),
            ),
        )
    )


def main() -> None:
    data = rows(json.loads(RESULTS.read_text()))
    chart = alt.hconcat(
        bars(data, "s", "Wall seconds a pair, whole step (shorter is better)"),
        bars(data, "gb", "Peak memory, GB (shorter is better)"),
    ).configure_view(stroke=None)
    (HERE / "performance.svg").write_text(vl_convert.vegalite_to_svg(chart.to_json()))


if __name__ == "__main__":
    main()
