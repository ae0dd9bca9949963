"""Dots with their intervals, one row a model: what differs is seen by what does not overlap."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from gammapo.report.charts.base import PANEL, Row, as_given, data, finite, known, panel
from gammapo.report.palette import MUTED, PAPER


def interval_dots(
    rows: Sequence[Row],
    *,
    title: str,
    subtitle: str = "95 % interval",
    digits: int = 2,
    guide: float | None = None,
) -> alt.LayerChart:
    """One dot a row with its interval.

    Args:
        rows: `label`, `value`, `colour`, and `low` and `high` where an interval is known, in reading order.
        digits: decimals of the number written above the dot.
        guide: a value to compare with, drawn as a dotted line.
    """
    found = [{**row, "text": f"{row['value']:.{digits}f}"} for row in known(rows, "value")]
    spans = [row for row in found if finite(row.get("low")) and finite(row.get("high"))]
    order = [row["label"] for row in found]
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(grid=False, labelLimit=150))
    x = alt.X(
        "value:Q", title=None, scale=alt.Scale(zero=False, nice=True, padding=14), axis=alt.Axis(tickCount=5)
    )
    base = alt.Chart(data(found)).encode(y=y)
    layers = []
    if guide is not None:
        rule = alt.Chart(data([{"x": guide}])).mark_rule(color=MUTED, strokeDash=[2, 3])
        layers.append(rule.encode(x=alt.X("x:Q", title=None)))
    if spans:
        bar = alt.Chart(data(spans)).mark_rule(strokeWidth=3.5, strokeCap="round", opacity=0.55)
        layers.append(bar.encode(y=y, x=alt.X("low:Q", title=None), x2="high:Q", color=as_given("colour")))
    dot = base.mark_point(filled=True, size=95, opacity=1, stroke=PAPER, strokeWidth=1.5)
    layers.append(dot.encode(x=x, color=as_given("colour")))
    layers.append(base.mark_text(dy=-13, fontSize=12, fontWeight=600).encode(x=x, text="text:N"))
    height = max(120, 78 + 38 * len(found))
    return panel(*layers, title=title, subtitle=subtitle, width=PANEL[0], height=height)
