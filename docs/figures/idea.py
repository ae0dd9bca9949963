"""The two figures of docs/idea.md: python docs/figures/idea.py

idea-force.svg: what is left of a loss when labels are coin flips, as a force on the gap.
idea-trust.svg: how flips shrink agreement on fresh pairs, and the free drift that follows (simulated).
"""

from pathlib import Path

import altair as alt
import torch
import vl_convert

from gammapo import files
from gammapo.losses.agreement import agreement, trust
from gammapo.losses.gammapo_options import GammaPOOptions

HERE = Path(__file__).parent
COLOURS = ["#0b6e8f", "#d1495b", "#8a8a8a", "#edae49"]
BASE_GAP, BETA, GAMMA = 0.5, 2.5, 1.0  # nats a token; SimPO's scale and margin
PAIRS, REPEATS = 1024, 60  # of the simulation
RATES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)


def lines(rows: list[dict], x: str, y: str, title: str) -> alt.Chart:
    order = list(dict.fromkeys(row["name"] for row in rows))
    return (
        alt.Chart(alt.Data(values=rows), title=title, width=300, height=190)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X("x:Q", title=x, axis=alt.Axis(grid=False, tickCount=6)),
            y=alt.Y("y:Q", title=y, axis=alt.Axis(grid=False)),
            color=alt.Color(
                "name:N",
                sort=order,
                title=None,
                scale=alt.Scale(domain=order, range=COLOURS[: len(order)]),
                legend=alt.Legend(orient="bottom", columns=3),
            ),
        )
    )


def even_force(gap: torch.Tensor, gamma: float) -> torch.Tensor:
    """−dE/dr of ℓ(r − γ): the pull that does not depend on the label."""
    return (torch.sigmoid(gamma - gap) - torch.sigmoid(gamma + gap)) / 2


def forces() -> alt.LayerChart:
    gaps = torch.linspace(-1, 2, 121)
    rows = [
        {"name": name, "x": round(gap.item(), 3), "y": round(force.item(), 4)}
        for name, anchor in (("SimPO", 0.0), ("anchored: SimPO, gammapo", BASE_GAP))
        for gap, force in zip(gaps, even_force(BETA * (gaps - anchor), GAMMA), strict=True)
    ]
    x, y = "gap of the policy, nats a token", "force on the gap at ε = ½"
    chart = lines(rows, x, y, "Labels are coin flips; where does the gap go?")
    marks = [
        {"x": 0.0, "y": 0.0, "text": "SimPO rests at indifference"},
        {"x": BASE_GAP, "y": 0.0, "text": "anchored rests at the base"},
    ]
    rest = alt.Chart(alt.Data(values=marks))
    texts = [
        rest.transform_filter(alt.datum.x == 0)
        .mark_text(align="right", dx=-8, dy=12, fontSize=11)
        .encode(x="x:Q", y="y:Q", text="text:N"),
        rest.transform_filter(alt.datum.x > 0)
        .mark_text(align="left", dx=8, dy=-8, fontSize=11)
        .encode(x="x:Q", y="y:Q", text="text:N"),
    ]
    points = rest.mark_point(filled=True, size=60, color="#333333").encode(x="x:Q", y="y:Q")
    return alt.layer(chart, points, *texts).properties(width=460, height=220)


def simulated(rate: float, informed: float, generator: torch.Generator) -> torch.Tensor:
    """Gaps towards their labels: |gap| ~ |N(0,1)|, truth by σ(informed·gap), a share `rate` flipped."""
    gap = torch.randn(PAIRS, generator=generator)
    truth = torch.rand(PAIRS, generator=generator) < torch.sigmoid(informed * gap)
    kept = torch.rand(PAIRS, generator=generator) >= rate
    return torch.where(truth == kept, gap, -gap)


def trusts() -> alt.HConcatChart:
    options, generator = GammaPOOptions(), torch.Generator().manual_seed(0)
    agreed, free = [], []
    for informed, name in ((8.0, "gaps that tell much"), (1.0, "some"), (0.0, "nothing")):
        for rate in RATES:
            seen = [simulated(rate, informed, generator) for _ in range(REPEATS)]
            agreed.append({"name": name, "x": rate, **spread([agreement(gaps)[0] for gaps in seen])})
            allowed = [options.allowance * trust(gaps, options.full_agreement) for gaps in seen]
            free.append({"name": name, "x": rate, **spread(allowed)})
    return alt.hconcat(
        banded(agreed, "agreement a", "Flips shrink agreement by 1 − 2ε"),
        banded(free, "free drift, nats a token", "…and the drift that labels have earned"),
    )


def spread(values: list[torch.Tensor]) -> dict[str, float]:
    low, middle, high = torch.quantile(torch.stack(values), torch.tensor([0.1, 0.5, 0.9])).tolist()
    return {"low": round(low, 4), "y": round(middle, 4), "high": round(high, 4)}


def banded(rows: list[dict], y: str, title: str) -> alt.LayerChart:
    line = lines(rows, "rate of flips ε", y, title)
    band = line.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title=y), y2="high:Q")
    return alt.layer(band, line)


def main() -> None:
    for name, figure in (("idea-force.svg", forces()), ("idea-trust.svg", trusts())):
        svg = vl_convert.vegalite_to_svg(figure.configure_view(stroke=None).to_dict())
        print(files.write_text(HERE / name, svg).relative_to(HERE.parents[1]))


if __name__ == "__main__":
    main()
