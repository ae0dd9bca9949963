"""How much each loss keeps as labels get worse: noise curves, and who wins each kind of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from gammapo.report.charts.base import Row, as_given, data, known, panel
from gammapo.report.palette import NEUTRAL, PAPER, SLOTS, Style

QUIET = Style(colour=NEUTRAL)


def noise_curves(
    rows: Sequence[Row], styles: Mapping[str | None, Style], *, subtitle: str = ""
) -> dict[str, alt.LayerChart]:
    """Panels by `panel`: the value over the noise rate, a line with its band for each loss.

    Args:
        rows: `panel`, `loss`, `rate` (0 to 1), `mean`, and `low` and `high` where an interval is known.
        styles: of the losses to be told apart; all others are drawn thin and grey, beneath.
    """
    rows = known(rows, "rate", "mean")
    means = [row[key] for row in rows for key in ("mean", "low", "high") if row.get(key) is not None]
    scale = alt.Scale(domain=[min(means), max(means)], nice=True, zero=False) if means else alt.Scale()
    panels = {}
    for name in dict.fromkeys(str(row["panel"]) for row in rows):
        here = [_drawn(row, styles.get(row["loss"], QUIET)) for row in rows if str(row["panel"]) == name]
        quiet = [row for row in here if row["loss"] not in styles]
        loud = [row for row in here if row["loss"] in styles]
        x = alt.X(
            "rate:Q",
            title="share of corrupted labels",
            axis=alt.Axis(format=".0%", grid=False, values=sorted({row["rate"] for row in here})),
        )
        y = alt.Y("mean:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5))
        layers = [alt.Chart(data(quiet)).mark_line(strokeWidth=1, opacity=0.5).encode(x=x, y=y, **_series())]
        banded = known(loud, "low", "high")
        if banded:
            area = alt.Chart(data(banded)).mark_area(opacity=0.14)
            layers.append(
                area.encode(
                    x=x, y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q", **_series(dash=False)
                )
            )
        layers.append(alt.Chart(data(loud)).mark_line().encode(x=x, y=y, **_series()))
        dots = alt.Chart(data(loud)).mark_point(filled=True, size=52, opacity=1, stroke=PAPER, strokeWidth=1)
        shape = alt.Shape("shape:N", scale=None, legend=None)
        layers.append(dots.encode(x=x, y=y, shape=shape, **_series(dash=False)))
        panels[name] = panel(*layers, title=name, subtitle=subtitle, height=250)
    return panels


def heat_map(
    rows: Sequence[Row], *, title: str, losses: Sequence[str], columns: Sequence[str]
) -> alt.LayerChart:
    """Loss × noise. A cell is the deeper, the nearer it is to its column's best.

    Args:
        rows: `loss`, `column`, `mean`, `place` (0 for the column's worst to 1 for its best) and `mark`
            ("★" the best, "=" cannot be told from the best, "" otherwise).
        losses, columns: in the order to be shown.
    """
    found = [{**row, "text": f"{row['mean']:.2f} {row['mark']}".strip()} for row in known(rows, "mean")]
    base = alt.Chart(data(found)).encode(
        x=alt.X(
            "column:N",
            sort=list(columns),
            title=None,
            axis=alt.Axis(
                orient="top",
                labelAngle=0,
                labelLimit=110,
                labelPadding=20,
                labelExpr="split(datum.label, ' ')",
            ),
        ),
        y=alt.Y("loss:N", sort=list(losses), title=None, axis=alt.Axis(labelLimit=150)),
    )
    cells = base.mark_rect(color=SLOTS[0][0], stroke=PAPER, strokeWidth=2).encode(
        fillOpacity=alt.FillOpacity("place:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.5]), legend=None)
    )
    text = base.mark_text().encode(
        text="text:N",
        opacity=alt.condition("datum.mark != ''", alt.value(1), alt.value(0.82)),
    )
    width = 150 + max(68 * len(columns), 200)
    return panel(cells, text, title=title, width=width, height=90 + 30 * len(losses))


def _drawn(row: Row, style: Style) -> dict:
    return {**row, "colour": style.colour, "dash": list(style.dash or (1, 0)), "shape": style.shape}


def _series(dash: bool = True) -> dict:
    channels = {"color": as_given("colour"), "detail": alt.Detail("loss:N")}
    if dash:
        channels["strokeDash"] = alt.StrokeDash("dash:N", scale=None, legend=None)
    return channels
