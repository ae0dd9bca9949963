"""The two figures of docs/idea.md: python docs/figures/idea.py

idea-pull.svg: how hard a pair pulls over its reward gap, for known losses and for gammapo.
idea-noise.svg: what flips do to agreement, and how well their rate can be read off gaps (simulated).
"""

from pathlib import Path

import altair as alt
import torch
import vl_convert

from gammapo import files, losses
from gammapo.losses.label_noise import label_noise
from gammapo.losses.pull import pull_curve

HERE = Path(__file__).parent
GAPS = [step / 4 for step in range(-32, 33)]
COLOURS = ["#0b6e8f", "#d1495b", "#8a8a8a", "#edae49", "#5b8c5a", "#6a4c93"]
KNOWN = [
    ("SimPO", "simpo", {"beta": 10, "gamma": 3}),
    ("γ-SimPO", "gamma_simpo", {"gamma": 3}),
    ("ROPO", "ropo", {}),
    ("Dr. DPO", "dr_dpo", {}),
    ("RE-SimPO", "re_simpo", {"beta": 10, "gamma": 3}),
]
PAIRS, REPEATS = 1024, 60  # of the simulation


def lines(rows: list[dict], x: str, y: str, colour: str, title: str, **extra) -> alt.Chart:
    order = list(dict.fromkeys(row[colour] for row in rows))
    return (
        alt.Chart(alt.Data(values=rows), title=title, width=300, height=190)
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X("x:Q", title=x, axis=alt.Axis(grid=False)),
            y=alt.Y("y:Q", title=y, axis=alt.Axis(grid=False), **extra),
            color=alt.Color(
                f"{colour}:N",
                sort=order,
                title=None,
                scale=alt.Scale(domain=order, range=COLOURS[: len(order)]),
                legend=alt.Legend(orient="bottom", columns=3),
            ),
        )
    )


def pulls() -> alt.HConcatChart:
    def rows(named):
        for label, name, options in named:
            curve = pull_curve(losses.create(name, **options), GAPS)
            for gap, pull in zip(curve.reward_gap, curve.pull, strict=True):
                yield {"loss": label, "x": round(gap, 3), "y": round(pull, 4)}

    ours = [(f"gammapo, ε = {noise:g}", "gammapo", {"noise": noise}) for noise in (0.0, 0.1, 0.3)]
    x, y = "reward gap of the pair", "pull, 1 = strongest"
    return alt.hconcat(
        lines(list(rows(KNOWN)), x, y, "loss", "Known losses"),
        lines(list(rows(ours)), x, y, "loss", "gammapo: the same pair at three noise rates"),
    ).resolve_scale(color="independent")


def simulated(rate: float, informed: float, generator: torch.Generator) -> torch.Tensor:
    """Gaps towards their labels: |gap| ~ |N(0,1)|, truth by σ(informed·gap), a share `rate` flipped."""
    gap = torch.randn(PAIRS, generator=generator)
    truth = torch.rand(PAIRS, generator=generator) < torch.sigmoid(informed * gap)
    kept = torch.rand(PAIRS, generator=generator) >= rate
    return torch.where(truth == kept, gap, -gap)


def estimates() -> list[dict]:
    generator, rows = torch.Generator().manual_seed(0), []
    for informed, label in (
        (8.0, "gaps that tell much (k = 8)"),
        (2.0, "some (k = 2)"),
        (0.0, "nothing (k = 0)"),
    ):
        for rate in (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4):
            found = torch.stack(
                [label_noise(simulated(rate, informed, generator)).rate for _ in range(REPEATS)]
            )
            low, middle, high = torch.quantile(found, torch.tensor([0.1, 0.5, 0.9])).tolist()
            rows.append({"gaps": label, "x": rate, "y": middle, "low": low, "high": high})
    return rows


def noise() -> alt.HConcatChart:
    agreement = [
        {
            "flips": f"ε = {rate:g}",
            "x": gap / 10,
            "y": rate + (1 - 2 * rate) * torch.sigmoid(torch.tensor(gap / 10)).item(),
        }
        for rate in (0.0, 0.1, 0.3)
        for gap in range(-60, 61)
    ]
    rows = estimates()
    line = lines(rows, "true rate of flips", "estimated rate", "gaps", "Read off 1,024 gaps: median, 10–90 %")
    band = line.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", title="estimated rate"), y2="high:Q")
    ideal = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 0.4, "y": 0.4}]))
    ideal = ideal.mark_line(color="#bbbbbb", strokeDash=[4, 4]).encode(x="x:Q", y="y:Q")
    title = "Flips bound agreement at 1 − ε"
    return alt.hconcat(
        lines(agreement, "kr, the scaled gap", "P(given label | gap)", "flips", title),
        alt.layer(ideal, band, line).resolve_scale(color="shared"),
    ).resolve_scale(color="independent")


def main() -> None:
    for name, figure in (("idea-pull.svg", pulls()), ("idea-noise.svg", noise())):
        svg = vl_convert.vegalite_to_svg(figure.configure_view(stroke=None).to_dict())
        print(files.write_text(HERE / name, svg).relative_to(HERE.parents[1]))


if __name__ == "__main__":
    main()
