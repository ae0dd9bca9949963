"""Passages that several reports share: results table, training curves, ledger, noise, sample answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gammapo.report import charts, training_files
from gammapo.report.blocks import Cell, Key
from gammapo.report.charts.base import finite
from gammapo.report.charts.ledger import GROUPS
from gammapo.report.finding import verdict
from gammapo.report.numbers import number, percent
from gammapo.report.page import Page
from gammapo.report.palette import Style
from gammapo.report.results import METRICS, Row, describe_noise, metric

KNOWN = {*METRICS, "model", "loss", "noise_rate", "seed"}
EXTRA = 3  # most columns beyond the known ones
PANELS = {"gold_reward": (2, None), "win_rate": (1, 50.0), "length_controlled_winrate": (1, 50.0)}


def results_table(page: Page, results: Sequence[Row], styles: Mapping[str, Style]) -> None:
    """Models × metrics with their intervals; the greatest value of a column is bold."""
    keys = [key for key in METRICS if any(row.get(key) is not None for row in results)]
    more = [key for row in results for key, value in row.items() if key not in KNOWN and finite(value)]
    keys += list(dict.fromkeys(more))[:EXTRA]
    best = {key: max(row[key] for row in results if row.get(key) is not None) for key in keys}
    rows = []
    for row in results:
        cells = [Cell(text=row["model"], swatch=styles[row["model"]].colour), Cell(text=describe_noise(row))]
        for key in keys:
            shown = metric(key)
            note = shown.span(row.get(shown.interval)) if shown.interval else ""
            top = shown.best and len(results) > 1 and row.get(key) == best[key]
            cells.append(Cell(text=shown.text(row.get(key)), note=note, strong=top))
        rows.append(cells)
    page.table(
        ["Model", "Training labels", *(metric(key).head for key in keys)],
        rows,
        right=[False, False, *(True for _ in keys)],
        caption="Small figures are 95 % intervals. The greatest of a column is bold, which does not say that "
        "it can be told from the next. " + _explain(keys),
    )


def _explain(keys: Sequence[str]) -> str:
    words = {
        "gold_reward": "Gold reward: the known truth, averaged over held-out prompts; no model was shown it.",
        "win_rate": "Win rate: how often a model's answer is judged better than the reference's.",
        "length_controlled_winrate": "Length-controlled: the same, at equal length.",
        "chosen_reward": "Reward of chosen: how far training moved the answers labelled better, β times the "
        "change of their log-prob a token; below zero, even these became less likely.",
    }
    return " ".join(words[key] for key in keys if key in words)


def comparison_table(page: Page, comparisons: Sequence[Row]) -> None:
    corrected = any(row.get("p_value_holm") is not None for row in comparisons)
    rows = []
    for row in comparisons:
        shown, said = metric(row["metric"]), verdict(row)
        cells = [f"{row['a']} − {row['b']}", shown.name]
        cells += [
            Cell(text=shown.text(row["difference"], sign=True), note=shown.span(row["ci95"], sign=True))
        ]
        cells += [number(row.get("p_value_holm"), 3)] if corrected else []
        rows.append([*cells, Cell(text=said.text, strong=said.decided)])
    count = len(rows)
    if corrected:
        note = (
            f"The p-values are corrected (Holm) for there being {count} comparisons; the intervals are not."
        )
    else:
        note = f"Each interval stands for itself: none is widened for there being {count} of them."
    page.table(
        [
            "Paired difference",
            "Metric",
            "Difference",
            *(["p, corrected"] if corrected else []),
            "What it says",
        ],
        rows,
        right=[False, False, True, *([True] if corrected else []), False],
        caption=f"Differences between two models' answers to the same prompts, with 95 % intervals. {note}",
    )


def dots(page: Page, results: Sequence[Row], styles: Mapping[str, Style]) -> None:
    drawn = []
    for key, (digits, guide) in PANELS.items():
        shown, rows = METRICS[key], []
        for row in results:
            low, high = row.get(shown.interval) or (None, None)
            colour = styles[row["model"]].colour
            rows.append(
                {"label": row["model"], "value": row.get(key), "low": low, "high": high, "colour": colour}
            )
        if any(finite(row["value"]) for row in rows):
            subtitle = "95 % interval" + (f", in %; {guide:.0f} is a draw" if guide else "")
            title = shown.name[0].upper() + shown.name[1:]
            drawn.append(
                charts.interval_dots(rows, title=title, subtitle=subtitle, digits=digits, guide=guide)
            )
    if drawn:
        page.chart(
            drawn,
            "Each dot is a model's mean over the held-out prompts. Two intervals may overlap although "
            "the **paired** difference is clear; the table of differences decides.",
        )


def curves(
    page: Page, metrics: Mapping[str, Sequence[Row]], styles: Mapping[str, Style], caption: str
) -> None:
    rows = [{"model": model, **row} for model, steps in metrics.items() for row in steps]
    panels = charts.training_curves(rows, styles)
    if panels:
        legend = legend_of(metrics, styles) if len(metrics) > 1 else ()
        page.chart(list(panels.values()), caption, legend=legend)


def legend_of(
    models: Mapping[str, Any] | Sequence[str], styles: Mapping[Any, Style], *, shapes: bool = False
) -> list[Key]:
    found = [(str(model), styles[model]) for model in models]
    return [
        Key(label=name, colour=s.colour, dashed=bool(s.dash), shape=s.shape if shapes else "")
        for name, s in found
    ]


def ledger(
    page: Page, ledgers: Mapping[str, Mapping[str, np.ndarray]], manifest: Mapping[str, Any] | None
) -> None:
    """Gaps and clarity over training, and each pair's last gap; flipped against clean if that is known."""
    flipped = training_files.flipped_ids(manifest) if manifest else None
    gaps, clarities, last_gaps, separations = [], [], [], []
    for model, columns in ledgers.items():
        masks = training_files.groups(columns, flipped)
        for column, name, guide, into in (
            ("reward_gap", "Reward gap", 0.0, gaps),
            ("clarity", "Clarity", None, clarities),
        ):
            rows = training_files.bands(columns, column, masks)
            if rows:
                head = _head(name, "median and middle 80 % of the pairs", model, len(ledgers))
                into.append(charts.ledger_bands(rows, guide=guide, **head))
        last = training_files.last_visits(columns)
        rows = training_files.histogram(columns["reward_gap"], {g: mask & last for g, mask in masks.items()})
        if rows:
            head = _head("Last reward gap", "share of pairs", model, len(ledgers))
            last_gaps.append(charts.gap_histogram(rows, **head))
        if "flipped" in masks:
            clean, bad = (columns["reward_gap"][masks[g] & last] for g in ("clean", "flipped"))
            area = training_files.auroc(clean[np.isfinite(clean)], bad[np.isfinite(bad)])
            separations += [f"{model} {number(area)}"] if area is not None else []
    found = [*gaps, *last_gaps, *clarities]
    if not found:
        return
    caption = "What the loss thought of each training pair at each visit."
    if separations:
        caption += (
            " How well a pair's last gap tells clean from flipped (AUROC; 0.5 is chance, 1 is perfect): "
            + ", ".join(separations)
            + "."
        )
    names = ["clean", "flipped"] if flipped else ["all pairs"]
    labels = {"clean": "label as it was", "flipped": "label flipped", "all pairs": "all pairs"}
    legend = [Key(label=labels[name], colour=GROUPS[name]) for name in names]
    page.chart(found, caption, legend=legend)


def _head(name: str, detail: str, model: str, models: int) -> dict[str, str]:
    """The title says what differs between the panels: the model, or for a single model the quantity."""
    if models == 1:
        return {"title": name, "subtitle": detail}
    return {"title": model, "subtitle": f"{name.lower()}: {detail}"}


def noise(page: Page, manifest: Mapping[str, Any]) -> None:
    """How the labels were corrupted, from the manifest alone."""
    changed, pairs = manifest["changed"], manifest.get("pairs") or 0
    share = f" of {pairs} training pairs ({percent(len(changed) / pairs)})" if pairs else " training pairs"
    kinds = ", then ".join(
        f"**{step.get('kind', 'unnamed')}** noise at rate {percent(step.get('rate') or 0)} "
        f"(seed {step.get('seed')})"
        for step in manifest.get("steps") or [manifest]
    )
    counts = Counter(one.get("change", "change") for one in changed.values())
    what = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    page.text(
        f"{len(changed)}{share} were corrupted on purpose, by {kinds}: {what}. The manifest names each of "
        "them, so that all losses meet the same corrupted labels, and so that one can ask afterwards whether "
        "training found them out."
    )


def shared_prompts(answers: Mapping[str, Sequence[Row]], count: int) -> list[str]:
    """The first `count` prompts, in the first model's order, that every model answered."""
    answered = [{row["instruction"] for row in rows} for rows in answers.values()]
    first = next(iter(answers.values()), [])
    prompts = dict.fromkeys(row["instruction"] for row in first)
    return [prompt for prompt in prompts if all(prompt in seen for seen in answered)][:count]


def samples(
    page: Page, answers: Mapping[str, Sequence[Row]], styles: Mapping[str, Style], prompts: Sequence[str]
) -> None:
    """All models' answers to each of the prompts, side by side."""
    by_model = {model: {row["instruction"]: row for row in rows} for model, rows in answers.items()}
    for prompt in prompts:
        rows = {model: found[prompt] for model, found in by_model.items()}
        page.samples(
            prompt,
            {model: row["output"] for model, row in rows.items()},
            scores={m: number(row["gold"]) for m, row in rows.items() if finite(row.get("gold"))},
            parts={model: _parts(row) for model, row in rows.items()},
            swatches={model: styles[model].colour for model in rows},
        )


def _parts(row: Row) -> dict[str, str]:
    """What an answer's score is made of, but for the score itself; and whether the length limit cut it."""
    parts = {name: value for name, value in (row.get("parts") or {}).items() if name != "reward"}
    if row.get("finish_reason") == "length":
        parts["cut off"] = True
    return {name.replace("_", " "): _part(value) for name, value in parts.items()}


def _part(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(float(value)) if finite(value) else str(value)
