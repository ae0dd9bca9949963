"""What training thought of each pair: the spread of a ledger column over training, flipped against clean."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from gammapo.report.charts.base import Row, as_given, data, panel
from gammapo.report.palette import BAD, MUTED, NEUTRAL

GROUPS = {"clean": NEUTRAL, "flipped": BAD, "all pairs": NEUTRAL}


def ledger_bands(
    rows: Sequence[Row], *, title: str, subtitle: str = "", guide: float | None = None
) -> alt.LayerChart:
    """Median and middle 80 % of a ledger column over training.

    Args:
        rows: `group` (a key of GROUPS), `step`, `low`, `mid`, `high`.
        guide: a value to compare with, drawn as a dotted line.
    """
    base = alt.Chart(data([{**row, "colour": GROUPS[row["group"]]} for row in rows]))
    x = alt.X("step:Q", title="optimiser step", axis=alt.Axis(grid=False, tickCount=5, format="~s"))
    zero = alt.Scale(zero=False)
    band = base.mark_area(opacity=0.2).encode(
        x=x,
        y=alt.Y("low:Q", title=None, scale=zero, axis=alt.Axis(tickCount=5)),
        y2="high:Q",
        color=as_given("colour"),
        detail="group:N",
    )
    line = base.mark_line().encode(
        x=x, y=alt.Y("mid:Q", title=None, scale=zero), color=as_given("colour"), detail="group:N"
    )
    return panel(*_rule(guide, "y"), band, line, title=title, subtitle=subtitle)


def gap_histogram(rows: Sequence[Row], *, title: str, subtitle: str = "") -> alt.LayerChart:
    """How a value is spread in each group, as shares of the group so that unequal groups compare.

    Args:
        rows: `group`, `left`, `right` (the bin's edges), `share`.
    """
    base = alt.Chart(data([{**row, "colour": GROUPS[row["group"]]} for row in rows]))
    bars = base.mark_rect(opacity=0.45).encode(
        x=alt.X("left:Q", title=None, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(grid=False)),
        x2="right:Q",
        y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%", tickCount=5)),
        y2=alt.datum(0),
        color=as_given("colour"),
    )
    return panel(bars, *_rule(0.0, "x"), title=title, subtitle=subtitle)


def _rule(value: float | None, axis: str) -> list[alt.Chart]:
    if value is None:
        return []
    rule = alt.Chart(data([{"at": value}])).mark_rule(color=MUTED, strokeDash=[2, 3])
    if axis == "x":
        return [rule.encode(x=alt.X("at:Q", title=None))]
    return [rule.encode(y=alt.Y("at:Q", title=None))]
