"""Write docs/losses.md and one chart a family from the registry: python docs/figures/losses.py"""

from pathlib import Path

import altair as alt
import vl_convert

from gammapo import files
from gammapo.losses import describe
from gammapo.losses.pull import pull_curve

DOCS = Path(__file__).parents[1]
GAPS = [step / 4 for step in range(-24, 25)]
INK, LINE, ZERO = "#222222", "#0b6e8f", "#bbbbbb"


def chart(losses) -> alt.Chart:
    """Small multiples: the pull over the reward gap, one panel a loss."""
    rows = []
    for loss in losses:
        curve = pull_curve(loss, GAPS)
        points = zip(curve.reward_gap, curve.pull, strict=True)
        rows += [{"loss": loss.name, "gap": round(gap, 3), "pull": round(pull, 4)} for gap, pull in points]
    scale = alt.Scale(domain=[-6, 6])
    base = alt.Chart().properties(width=170, height=100)
    line = base.mark_line(color=LINE, strokeWidth=2, clip=True).encode(
        x=alt.X(
            "gap:Q", title="reward gap", scale=scale, axis=alt.Axis(values=[-6, -3, 0, 3, 6], grid=False)
        ),
        y=alt.Y("pull:Q", title="pull", scale=alt.Scale(domain=[-1, 1]), axis=alt.Axis(values=[-1, 0, 1])),
    )
    zero = base.mark_rule(color=ZERO).encode(y=alt.datum(0))
    names = [loss.name for loss in losses]
    facet = alt.Facet("loss:N", sort=names, title=None, header=alt.Header(labelFontSize=12, labelColor=INK))
    layered = alt.layer(zero, line, data=alt.Data(values=rows))
    return layered.facet(facet, columns=min(4, len(names))).configure_view(stroke=None)


def main() -> None:
    for family, losses in describe.by_family().items():
        svg = vl_convert.vegalite_to_svg(chart(losses).to_dict())
        path = files.write_text(DOCS / describe.chart_file(family), svg)
        print(path.relative_to(DOCS.parent))
    print(files.write_text(DOCS / "losses.md", describe.markdown()).relative_to(DOCS.parent))


if __name__ == "__main__":
    main()
