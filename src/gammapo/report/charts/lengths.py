"""How long the answers are: one histogram a model, on common bins and a common scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np

from gammapo.report.charts.base import data, panel
from gammapo.report.palette import INK, Style


def length_histograms(
    lengths: Mapping[str, Sequence[int]],
    styles: Mapping[str, Style],
    *,
    bins: int = 24,
    unit: str = "characters",
) -> dict[str, alt.LayerChart]:
    """Panels by model, the mean marked. `lengths` holds each model's answer lengths in `unit`."""
    lengths = {model: values for model, values in lengths.items() if len(values)}
    if not lengths:
        return {}
    longest = max(max(values) for values in lengths.values())
    edges = np.linspace(0, max(longest, 1), bins + 1)
    shares = {model: np.histogram(values, edges)[0] / len(values) for model, values in lengths.items()}
    top = max(float(share.max()) for share in shares.values())
    x_scale, y_scale = alt.Scale(domain=[0, float(edges[-1])]), alt.Scale(domain=[0, top])
    panels = {}
    for model, share in shares.items():
        rows = [
            {"left": round(float(a), 2), "right": round(float(b), 2), "share": round(float(s), 5)}
            for a, b, s in zip(edges[:-1], edges[1:], share, strict=True)
        ]
        mean = float(np.mean(lengths[model]))
        x = alt.X("left:Q", title=unit, scale=x_scale, axis=alt.Axis(grid=False, tickCount=5))
        y = alt.Y("share:Q", title=None, scale=y_scale, axis=alt.Axis(format="%", tickCount=4))
        bars = alt.Chart(data(rows)).mark_rect(color=styles[model].colour, opacity=0.7)
        rule = alt.Chart(data([{"mean": mean}])).mark_rule(color=INK, strokeWidth=1.5)
        panels[model] = panel(
            bars.encode(x=x, x2="right:Q", y=y, y2=alt.datum(0)),
            rule.encode(x=alt.X("mean:Q", title=unit)),
            title=model,
            subtitle=f"mean {mean:.0f} {unit}",
            height=180,
        )
    return panels
