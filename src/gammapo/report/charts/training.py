"""Training curves: one panel a quantity, one line a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt

from gammapo.report.charts.base import Row, as_given, data, known, panel, thin
from gammapo.report.palette import MUTED, Style

# field → (title, what is plotted, value of a guide line)
QUANTITIES = {
    "reward_gap": ("Reward gap", "chosen − rejected, in reward units", 0.0),
    "chosen_logp": ("Log-prob of chosen answers", "nats a token", None),
    "rejected_logp": ("Log-prob of rejected answers", "nats a token", None),
    "accuracy": ("Agreement with the labels", "share of pairs with a gap above 0", 0.5),
    "clarity_mean": ("Mean clarity", "believed probability that a label is right", None),
}


def training_curves(rows: Sequence[Row], styles: Mapping[str, Style]) -> dict[str, alt.LayerChart]:
    """Panels by quantity, of those that `rows` hold.

    Args:
        rows: logging steps with `model`, `step` and the fields of `metrics.jsonl`.
        styles: colour and dash of each model.
    """
    panels = {}
    for field, (title, unit, guide) in QUANTITIES.items():
        found = _styled(known(rows, "step", field), [field], styles)
        if found:
            panels[field] = panel(*_guide(guide), _lines(found, field), title=title, subtitle=unit)
    fields = ["target_margin_mean", "target_margin_min", "target_margin_max"]
    found = _styled(known(rows, "step", *fields), fields, styles)
    if found:
        band = (
            alt.Chart(data(found))
            .mark_area(opacity=0.16)
            .encode(
                x="step:Q",
                y="target_margin_min:Q",
                y2="target_margin_max:Q",
                color=as_given("colour"),
                detail="model:N",
            )
        )
        lines = _lines(found, fields[0])
        title, unit = "Target margin", "mean, and band from least to greatest"
        panels["target_margin"] = panel(band, lines, title=title, subtitle=unit)
    return panels


def _styled(rows: Sequence[Row], fields: Sequence[str], styles: Mapping[str, Style]) -> list[Row]:
    """Thinned model by model, with colour and dash; only what the panel needs."""
    models = dict.fromkeys(str(row["model"]) for row in rows)
    found = []
    for model in models:
        style = styles[model]
        for row in thin([row for row in rows if str(row["model"]) == model], ["step", *fields]):
            kept = {field: round(row[field], 5) for field in ("step", *fields)}
            found.append({"model": model, "colour": style.colour, "dash": list(style.dash or (1, 0)), **kept})
    return found


def _lines(rows: Sequence[Row], field: str) -> alt.Chart:
    return (
        alt.Chart(data(rows))
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="optimiser step", axis=alt.Axis(grid=False, tickCount=5, format="~s")),
            y=alt.Y(f"{field}:Q", title=None, axis=alt.Axis(tickCount=5), scale=alt.Scale(zero=False)),
            color=as_given("colour"),
            strokeDash=alt.StrokeDash("dash:N", scale=None, legend=None),
            detail="model:N",
        )
    )


def _guide(value: float | None) -> list[alt.Chart]:
    if value is None:
        return []
    rule = alt.Chart(data([{"y": value}])).mark_rule(color=MUTED, strokeDash=[2, 3])
    return [rule.encode(y=alt.Y("y:Q", title=None))]
