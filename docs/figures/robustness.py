"""The pictures and tables of docs/robustness.md: python docs/figures/robustness.py

Drawn from the rows in benchmarks/results/, whatever is in them. A table stands in the page between
`<!-- table: NAME -->` and `<!-- end -->`, and is written anew.
"""

import json
import re
from collections import defaultdict
from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from gammapo import files
from gammapo.benchmark.prompts import unpack
from gammapo.evaluation import bootstrap_ci, holm, paired_difference

HERE = Path(__file__).parent
PAGE = HERE.parent / "robustness.md"
RESULTS = HERE.parents[1] / "benchmarks" / "results"
GRIDS = [
    name
    for name in ("robust", "correlated", "steep", "ablation", "kinds", "margins", "rivals", "scores")
    if (RESULTS / name / "results.jsonl").is_file()
]
COMPARED = ("robust", "correlated", "kinds", "rivals")  # also with the strongest rival of each condition
REAL = "smollm2"
FAST = "smollm2_fast"  # at three times the learning rate
ONE_SEED = "smollm2_short"  # intervals are over prompts
OURS = "gammapo"
COLOURS = {
    "gammapo": "#0b6e8f",
    "simpo": "#d1495b",
    "gamma_simpo": "#e9a03b",
    "anchored_simpo": "#6a4c93",
    "dpo": "#5b8c5a",
    "ropo": "#8a8a8a",
    "re_simpo": "#b08968",
}
Golds = dict[int, float]  # seed → gold reward
Table = dict[str, dict[str, Golds]]  # condition → loss → golds


def rows_of(name: str) -> list[dict]:
    return [json.loads(line) for line in (RESULTS / name / "results.jsonl").read_text().splitlines()]


def table(name: str) -> Table:
    """The golds of one grid; conditions differ by kind, rate and, if several, world."""
    rows = rows_of(name)
    many = len({row["world"] for row in rows}) > 1
    found: Table = defaultdict(lambda: defaultdict(dict))
    for row in rows:
        what = f"{row['noise'].replace('_', ' ')} {100 * row['rate']:.0f} %" if row["rate"] else "clean"
        condition = f"{row['world']}, {what}" if many else what
        found[condition][row["loss"]][row["seed"]] = row["gold_reward"]
    return found


def base(name: str) -> dict[str, float]:
    """World → mean gold reward of the base."""
    golds = defaultdict(list)
    for row in rows_of(name):
        golds[row["world"]].append(row["base_gold"])
    return {world: sum(values) / len(values) for world, values in golds.items()}


def interval(golds: Golds) -> tuple[float, float, float]:
    values = list(golds.values())
    found = bootstrap_ci(values, n_bootstrap=2000, seed=0)
    return sum(values) / len(values), found.low, found.high


def against_ours(found: Table) -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """(condition, loss) → ours minus theirs, its interval, p by Holm over all of these."""
    gaps = {}
    for condition, losses in found.items():
        ours = losses.get(OURS, {})
        for loss, golds in losses.items():
            shared = sorted(set(ours) & set(golds))
            if loss != OURS and len(shared) > 1:
                mine, theirs = ([side[seed] for seed in shared] for side in (ours, golds))
                gaps[condition, loss] = paired_difference(mine, theirs, n_bootstrap=2000, seed=0)
    corrected = holm([gap.p_value for gap in gaps.values()]) if gaps else []
    return {
        place: (gap.estimate, gap.low, gap.high, float(p))
        for (place, gap), p in zip(gaps.items(), corrected, strict=True)
    }


def matrix(found: Table, reference: str) -> str:
    """Losses by conditions: mean ± half the interval; what stands after it is the comparison with ours."""
    gaps = against_ours(found)
    losses = list(dict.fromkeys(loss for row in found.values() for loss in row))
    losses.sort(key=lambda loss: -sum(interval(row[loss])[0] for row in found.values() if loss in row))
    lines = [f"| {reference} | " + " | ".join(found) + " |", "|---|" + "---:|" * len(found)]
    for loss in losses:
        cells = []
        for condition, row in found.items():
            if loss not in row:
                cells.append("–")
                continue
            mean, low, high = interval(row[loss])
            text = f"{mean:.3f} ± {(high - low) / 2:.3f}"
            gap = gaps.get((condition, loss))
            if gap is not None and gap[3] < 0.05:
                text += " ▼" if gap[0] > 0 else " ▲"
            cells.append(text)
        lines.append(f"| `{loss}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def differences(found: Table) -> str:
    """Ours minus the strongest rival of each condition, by mean."""
    gaps = against_ours(found)
    lines = ["| condition | strongest rival | gammapo minus rival | p (Holm) |", "|---|---|---:|---:|"]
    for condition, losses in found.items():
        rivals = [loss for loss in losses if loss != OURS]
        best = max(rivals, key=lambda loss: interval(losses[loss])[0])
        gap, low, high, p = gaps[condition, best]
        lines.append(f"| {condition} | `{best}` | {gap:+.3f} ({low:+.3f} to {high:+.3f}) | {p:.2g} |")
    return "\n".join(lines)


def by_prompt(name: str) -> str:
    """Losses by seeds and conditions on a real model: mean gold, and gammapo's lead with its interval over
    prompts. Best mean first; a loss is ranked over the cells that it has in common with all others."""
    golds: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
    bases = {}
    for row in sorted(rows_of(name), key=lambda row: (row["seed"], row["rate"])):
        what = f"{row['noise']} {100 * row['rate']:.0f} %" if row["rate"] else "clean"
        cell = f"seed {row['seed']}, {what}"
        golds[cell][row["loss"]] = unpack(row["gold_by_prompt"])
        bases[cell] = row["base_gold"]
    every = {loss for losses in golds.values() for loss in losses}
    whole = [cell for cell, losses in golds.items() if set(losses) == every]
    lines = ["| loss | " + " | ".join(golds) + " |", "|---|" + "---|" * len(golds)]
    for loss in sorted(every, key=lambda loss: -sum(golds[cell][loss].mean() for cell in whole)):
        cells = []
        for losses in golds.values():
            text = f"{losses[loss].mean():.3f}" if loss in losses else "–"
            if loss in losses and loss != OURS and OURS in losses:
                gap = paired_difference(losses[OURS], losses[loss], n_bootstrap=2000, seed=0)
                text += f" ({gap.estimate:+.3f}: {gap.low:+.3f} to {gap.high:+.3f})"
            cells.append(text)
        lines.append(f"| `{loss}` | " + " | ".join(cells) + " |")
    lines.append("| base | " + " | ".join(f"{value:.3f}" for value in bases.values()) + " |")
    return "\n".join(lines)


def by_seed(name: str) -> str:
    """Conditions and seeds by losses; under each condition gammapo's mean lead over shared seeds."""
    found = dict(sorted(table(name).items()))
    bases = {row["seed"]: row["base_gold"] for row in rows_of(name)}
    losses, corrected = ranked(found), against_ours(found)
    lines = ["| condition | base | " + " | ".join(f"`{loss}`" for loss in losses) + " |"]
    lines.append("|---|---:|" + "---:|" * len(losses))
    for condition, row in found.items():
        for seed in sorted({seed for golds in row.values() for seed in golds}):
            here = {loss: golds[seed] for loss, golds in row.items() if seed in golds}
            texts = [f"{here[loss]:.3f}" if loss in here else "–" for loss in losses]
            lines.append(f"| {condition}, seed {seed} | {bases[seed]:.3f} | " + " | ".join(texts) + " |")
        leads = [
            f"{lead(row, loss)}, by Holm {corrected[condition, loss][3]:.2g})"
            if (condition, loss) in corrected
            else ""
            for loss in losses
        ]
        if any(leads):
            lines.append(f"| **{condition}, `{OURS}` less this loss** | | " + " | ".join(leads) + " |")
    return "\n".join(lines)


def ranked(found: Table) -> list[str]:
    """Losses, the highest first by the mean of their conditions' means."""
    means: dict[str, list[float]] = defaultdict(list)
    for row in found.values():
        for loss, golds in row.items():
            means[loss].append(interval(golds)[0])
    return sorted(means, key=lambda loss: (-len(means[loss]), -sum(means[loss]) / len(means[loss])))


def over_conditions(name: str) -> str:
    """Losses that have every condition of every seed of ours: a seed's mean over the conditions, and how it
    stands to ours; and how many of a loss's runs, in whatever it has, end more than 0.03 below the base."""
    found = table(name)
    bases = {row["seed"]: row["base_gold"] for row in rows_of(name)}
    seeds = sorted(set.intersection(*(set(row[OURS]) for row in found.values())))
    means = {
        loss: {seed: sum(row[loss][seed] for row in found.values()) / len(found) for seed in seeds}
        for loss in ranked(found)
        if all(set(seeds) <= set(row.get(loss, {})) for row in found.values())
    }
    gaps = against_ours({"": means})
    lines = ["| loss | mean | `gammapo` less this loss | p (Holm) | runs 0.03 below |"]
    lines.append("|---|---:|---:|---:|---:|")
    for loss in ranked(found):
        runs = [(gold, bases[s]) for row in found.values() for s, gold in row.get(loss, {}).items()]
        mean = f"{sum(means[loss].values()) / len(seeds):.3f}" if loss in means else "–"
        gap, p = "", ""
        if ("", loss) in gaps:
            estimate, low, high, value = gaps["", loss]
            gap, p = f"{estimate:+.3f} ({low:+.3f} to {high:+.3f})", f"{value:.2g}"
        below = sum(gold < start - 0.03 for gold, start in runs)
        lines.append(f"| `{loss}` | {mean} | {gap} | {p} | {below} of {len(runs)} |")
    return "\n".join(lines)


def lead(row: dict[str, Golds], loss: str) -> str:
    ours, theirs = row[OURS], row[loss]
    shared = sorted(set(ours) & set(theirs))
    gap = paired_difference([ours[s] for s in shared], [theirs[s] for s in shared], seed=0)
    return f"{gap.estimate:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}; {len(shared)} seeds, p {gap.p_value:.2g}"


def strip(name: str, reach: float = 0.25) -> alt.HConcatChart:
    """A panel a condition: each run's gold less its base's, up to `reach`, and the mean of a loss."""
    bases = {row["seed"]: row["base_gold"] for row in rows_of(name)}
    panels = []
    for condition, losses in sorted(table(name).items()):
        points = [
            {"loss": loss, "x": gold - bases[seed], "ours": loss == OURS}
            for loss, golds in losses.items()
            for seed, gold in golds.items()
        ]
        chart = alt.Chart(alt.Data(values=points), title=condition, width=230, height=alt.Step(24))
        side = alt.Y("loss:N", title=None, sort=list(COLOURS))
        shades = alt.Scale(domain=[True, False], range=["#0b6e8f", "#8a8a8a"])
        colour = alt.Color("ours:N", scale=shades, legend=None)
        scale = alt.Scale(domain=[-reach, reach])
        x = alt.X("x:Q", title="gold over the base", scale=scale, axis=alt.Axis(grid=False, tickCount=5))
        zero = alt.Chart(alt.Data(values=[{"x": 0}])).mark_rule(strokeDash=[4, 4], color="#999999")
        panels.append(
            alt.layer(
                zero.encode(x="x:Q"),
                chart.mark_point(size=40).encode(x=x, y=side, color=colour),
                chart.mark_tick(thickness=3, size=16).encode(x=alt.X("mean(x):Q"), y=side, color=colour),
            )
        )
    return alt.hconcat(*panels)


def curves(name: str) -> alt.HConcatChart:
    rows, golds = rows_of(name), base(name)
    panels = []
    for world in dict.fromkeys(row["world"] for row in rows):
        points = []
        grouped = defaultdict(dict)
        for row in rows:
            if row["world"] == world:
                grouped[row["loss"], row["rate"]][row["seed"]] = row["gold_reward"]
        for (loss, rate), values in grouped.items():
            mean, low, high = interval(values)
            points.append({"loss": loss, "x": rate, "y": mean, "low": low, "high": high})
        order = list(COLOURS)
        colour = alt.Color(
            "loss:N",
            sort=order,
            title=None,
            scale=alt.Scale(domain=order, range=list(COLOURS.values())),
            legend=alt.Legend(orient="right"),
        )
        x = alt.X("x:Q", title="share of flipped labels", axis=alt.Axis(grid=False, tickCount=3, format="%"))
        y = alt.Y("y:Q", title="gold reward", scale=alt.Scale(zero=False), axis=alt.Axis(grid=False))
        chart = alt.Chart(alt.Data(values=points), title=world, width=270, height=230)
        rule = alt.Chart(alt.Data(values=[{"y": golds[world]}]))
        panels.append(
            alt.layer(
                rule.mark_rule(strokeDash=[4, 4], color="#999999").encode(y="y:Q"),
                chart.mark_area(opacity=0.13).encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
                chart.mark_line(strokeWidth=2, point=True).encode(x=x, y=y, color=colour),
            )
        )
    return alt.hconcat(*panels)


def rates(name: str) -> alt.Chart:
    """The tuning trials at default options: mean gold over worlds, conditions and tuning seeds."""
    points = [
        {"loss": loss, "x": trial["training"]["learning_rate"], "y": trial["gold_reward"]}
        for loss, found in json.loads((RESULTS / name / "tuned.json").read_text()).items()
        for trial in found["trials"]
        if not trial["options"]
    ]
    tried = sorted({point["x"] for point in points})
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    return (
        alt.Chart(alt.Data(values=points), width=420, height=230)
        .mark_line(strokeWidth=2, point=True)
        .encode(
            x=alt.X(
                "x:Q",
                title="learning rate",
                scale=alt.Scale(type="log", domain=[min(tried), max(tried)], padding=8),
                axis=alt.Axis(grid=False, values=tried),
            ),
            y=alt.Y("y:Q", title="gold reward", scale=alt.Scale(zero=False), axis=alt.Axis(grid=False)),
            color=alt.Color("loss:N", sort=list(COLOURS), title=None, scale=scale),
        )
    )


def dots(found: Table, title: str) -> alt.HConcatChart:
    """A panel a condition: each loss's mean with its interval."""
    panels = []
    for condition, losses in found.items():
        rows = []
        for loss, golds in losses.items():
            mean, low, high = interval(golds)
            rows.append({"loss": loss, "y": mean, "low": low, "high": high, "ours": loss == OURS})
        chart = alt.Chart(alt.Data(values=rows), title=condition, width=170, height=alt.Step(20))
        side = alt.Y("loss:N", title=None, sort=sorted({row["loss"] for row in rows}))
        shades = alt.Scale(domain=[True, False], range=["#0b6e8f", "#8a8a8a"])
        colour = alt.Color("ours:N", scale=shades, legend=None)
        scale = alt.Scale(domain=[0, 1])
        panels.append(
            alt.layer(
                chart.mark_rule(strokeWidth=2).encode(
                    x=alt.X("low:Q", title=title, scale=scale, axis=alt.Axis(grid=False, tickCount=5)),
                    x2="high:Q",
                    y=side,
                    color=colour,
                ),
                chart.mark_point(filled=True, size=55).encode(x="y:Q", y=side, color=colour),
            )
        )
    return alt.concat(*panels, columns=3)


def write(name: str, figure: alt.TopLevelMixin) -> None:
    svg = vl_convert.vegalite_to_svg(figure.configure_view(stroke=None).to_dict())
    print(files.write_text(HERE / name, svg).relative_to(HERE.parents[1]))


def fill(page: str, tables: dict[str, str]) -> str:
    for name, text in tables.items():
        pattern = rf"(<!-- table: {re.escape(name)} -->\n).*?(<!-- end -->)"
        page, count = re.subn(pattern, lambda match: f"{match[1]}{text}\n{match[2]}", page, flags=re.S)  # noqa: B023
        assert count == 1, f"no place for the table {name!r} in {PAGE}"
    return page


def tables() -> dict[str, str]:
    """Every table of the page, by name."""
    found = {name: matrix(table(name), "loss") for name in GRIDS}
    found |= {f"{name}-differences": differences(table(name)) for name in GRIDS if name in COMPARED}
    found |= {f"{name}-tuned": tuned(name) for name in GRIDS if (RESULTS / name / "tuned.json").is_file()}
    return found | {
        REAL: by_seed(REAL),
        f"{REAL}-means": over_conditions(REAL),
        FAST: by_seed(FAST),
        ONE_SEED: by_prompt(ONE_SEED),
    }


def main() -> None:
    write("robustness-curves.svg", curves("robust"))
    write("robustness-rates.svg", rates("robust"))
    for name in GRIDS[1:]:
        write(f"robustness-{name}.svg", dots(table(name), "gold reward"))
    write("robustness-smollm2.svg", strip(REAL))
    write("robustness-smollm2-fast.svg", strip(FAST, reach=0.4))
    files.write_text(PAGE, fill(PAGE.read_text(encoding="utf-8"), tables()))


def tuned(name: str) -> str:
    lines = ["| loss | learning rate | own options |", "|---|---:|---|"]
    for loss, found in json.loads((RESULTS / name / "tuned.json").read_text()).items():
        options = ", ".join(f"`{key}` {value:g}" for key, value in found["options"].items()) or "defaults"
        lines.append(f"| `{loss}` | {found['training']['learning_rate']:.2g} | {options} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
