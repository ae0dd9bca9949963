"""The audit's pictures as SVG text, drawn by altair without any network."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import altair as alt

from gammapo.audit.after import RunAudit
from gammapo.audit.findings import Finding
from gammapo.audit.labels import LengthBias
from gammapo.audit.truth import Truth
from gammapo.types import PreferencePair

INK, ACCENT, QUIET = "#1f2933", "#2563a8", "#9aa5b1"


def svg(chart: Any) -> str:
    """An altair chart as SVG text, in the audit's style."""
    import vl_convert

    styled = chart.configure(font="sans-serif", background="transparent", padding=8)
    styled = styled.configure_view(stroke=None).configure_axis(
        labelColor=INK, titleColor=INK, gridColor="#e4e7eb", domainColor=QUIET, titleFontWeight="normal"
    )
    return vl_convert.vegalite_to_svg(styled.to_json())


def findings_chart(findings: Sequence[Finding], pairs: int) -> str:
    """How many pairs each check names, in per cent of the pairs."""
    rows = [
        {"check": one.title, "share": one.pairs / max(pairs, 1), "label": f"{one.pairs}"}
        for one in findings
        if not one.skipped and one.name != "length_bias"
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("check:N", sort=None, title=None, axis=alt.Axis(labelLimit=320, ticks=False, domain=False)),
        x=alt.X("share:Q", title="share of the pairs", axis=alt.Axis(format="%")),
    )
    labels = base.mark_text(align="left", dx=4, color=INK).encode(text="label:N")
    return svg((base.mark_bar(color=ACCENT, height=14) + labels).properties(width=460))


def length_bias_chart(bias: LengthBias) -> str:
    """How often the longer answer is chosen, by how much longer it is, with 95 % intervals."""
    edges = ["1", *(f"{ratio:g}" for ratio in bias.ratio[:-1])]
    names = [f"{low}–{high}" for low, high in itertools.pairwise(edges)] + [f"over {edges[-1]}"]
    rows = [
        {"ratio": name, "share": share, "low": low, "high": high, "pairs": count}
        for name, share, low, high, count in zip(
            names, bias.share, bias.low, bias.high, bias.count, strict=True
        )
        if count
    ]
    x = alt.X("ratio:N", sort=None, title="longer answer ÷ shorter (characters)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("share:Q", title="longer one chosen", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(alt.Data(values=rows))
    even = alt.Chart(alt.Data(values=[{"y": 0.5}])).mark_rule(color=QUIET, strokeDash=[4, 3]).encode(y="y:Q")
    bars = base.mark_rule(color=ACCENT, strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title=""), y2="high:Q")
    points = base.mark_point(color=ACCENT, filled=True, size=60, opacity=1).encode(x=x, y=y)
    return svg((even + bars + points).properties(width=460, height=220))


def lengths_chart(pairs: Sequence[PreferencePair]) -> str:
    """Histograms of the answers' lengths, chosen and rejected on one logarithmic axis."""
    import numpy as np

    sides = {
        "chosen": np.array([len(pair.chosen) for pair in pairs]),
        "rejected": np.array([len(pair.rejected) for pair in pairs]),
    }
    edges = np.geomspace(1, max(values.max() for values in sides.values()) + 1, 40)
    middles = np.sqrt(edges[:-1] * edges[1:])
    rows = [
        {"side": side, "characters": float(middle), "pairs": int(count)}
        for side, values in sides.items()
        for middle, count in zip(middles, np.histogram(values, edges)[0], strict=True)
    ]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(interpolate="step", strokeWidth=2)
        .encode(
            x=alt.X(
                "characters:Q", title="characters", scale=alt.Scale(type="log"), axis=alt.Axis(grid=False)
            ),
            y=alt.Y("pairs:Q", title="answers"),
            color=alt.Color(
                "side:N",
                title=None,
                scale=alt.Scale(domain=["chosen", "rejected"], range=[ACCENT, "#c2541b"]),
                legend=alt.Legend(orient="top"),
            ),
        )
    )
    return svg(chart.properties(width=460, height=200))


def evidence_chart(audit: RunAudit) -> str:
    """Histogram of the evidence, truly wrong labels apart where known, with the flip probability over it."""
    import numpy as np

    values = np.array([one.evidence for one in audit.suspects])
    edges = np.linspace(values.min(), values.max() + 1e-9, 41)
    groups = {"pairs": values}
    if audit.truth is not None:
        wrong = np.array([bool(one.flipped) for one in audit.suspects])
        groups = {"label right": values[~wrong], "label wrong": values[wrong]}
    rows = [
        {"from": float(low), "to": float(high), "count": int(count), "label": name}
        for name, group in groups.items()
        for low, high, count in zip(edges[:-1], edges[1:], np.histogram(group, edges)[0], strict=True)
    ]
    colours = alt.Scale(domain=list(groups), range=[ACCENT, "#c2541b"][: len(groups)])
    legend = alt.Legend(orient="top") if len(groups) > 1 else None
    bars = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(opacity=0.75)
        .encode(
            x=alt.X("from:Q", title="evidence (the model agrees with the label →)", bin="binned"),
            x2="to:Q",
            y=alt.Y("count:Q", title="pairs"),
            color=alt.Color("label:N", title=None, scale=colours, legend=legend),
        )
    )
    curve = sorted({(one.evidence, one.probability) for one in audit.suspects})
    points = [{"z": z, "p": p} for z, p in curve[:: max(1, len(curve) // 200)]]
    line = (
        alt.Chart(alt.Data(values=points))
        .mark_line(color=INK)
        .encode(
            x="z:Q",
            y=alt.Y("p:Q", title="P(label wrong)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(grid=False)),
        )
    )
    return svg(alt.layer(bars, line).resolve_scale(y="independent").properties(width=460, height=220))


def calibration_chart(truth: Truth) -> str:
    """Reliability diagram: mean said probability against the true share, in bins of equal size."""
    rows = [{"said": said, "seen": seen, "pairs": count} for said, seen, count in truth.bins]
    line = [{"said": 0, "seen": 0}, {"said": 1, "seen": 1}]
    x = alt.X("said:Q", title="probability said", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("seen:Q", title="share truly wrong", scale=alt.Scale(domain=[0, 1]))
    even = alt.Chart(alt.Data(values=line)).mark_line(color=QUIET, strokeDash=[4, 3]).encode(x=x, y=y)
    points = alt.Chart(alt.Data(values=rows)).mark_point(color=ACCENT, filled=True, size=60, opacity=1)
    return svg((even + points.encode(x=x, y=y)).properties(width=260, height=260))
