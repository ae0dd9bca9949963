"""The report of `gammapo demo`: what was found, how sure it is, how it came about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gammapo.health import signs
from gammapo.report import charts, parts
from gammapo.report.charts.base import finite
from gammapo.report.demo_files import DemoFolder, read_demo
from gammapo.report.finding import headline
from gammapo.report.numbers import duration
from gammapo.report.page import Page
from gammapo.report.palette import model_styles

SAMPLES = 6  # prompts whose answers are shown


def demo_report(folder: str | Path) -> str:
    """The whole report of a demo's output folder as one HTML page.

    Raises:
        InputError: the folder lacks `results.json`, or a file does not hold what it should.
    """
    return demo_page(read_demo(folder)).render()


def demo_page(demo: DemoFolder) -> Page:
    """The page of a demo, for HTML or Markdown."""
    page = Page("Training on labels that cannot all be trusted", _subtitle(demo))
    styles = model_styles(demo.results)
    found = headline(demo.results, demo.comparisons)
    page.finding(found.text, tone="good" if found.decided else "open")

    page.section("Results")
    parts.results_table(page, demo.results, styles)
    parts.dots(page, demo.results, styles)
    if demo.comparisons:
        parts.comparison_table(page, demo.comparisons)
    if demo.manifest:
        page.section("How the labels were corrupted")
        parts.noise(page, demo.manifest)
    if any(demo.metrics.values()) or demo.ledgers:
        page.section("Training")
        parts.curves(
            page,
            demo.metrics,
            styles,
            "Means over the pairs of each logging step. Agreement counts wrong labels too: a model that "
            "agrees with more labels than are right has begun to learn the errors.",
        )
        _warnings(page, demo)
    if demo.ledgers:
        page.section("Could training tell which labels were wrong?")
        corrupted = {row["model"] for row in demo.results if row.get("noise_rate")} or set(demo.ledgers)
        parts.ledger(page, {m: c for m, c in demo.ledgers.items() if m in corrupted}, demo.manifest)
    if any(demo.answers.values()):
        _answers(page, demo, styles)
    _reproduce(page, demo.meta, demo.results)
    return page


def _subtitle(demo: DemoFolder) -> str:
    settings = demo.meta.get("settings") or {}
    base = settings.get("model") or settings.get("base_model")
    losses = dict.fromkeys(row["loss"] for row in demo.results if row.get("loss") is not None)
    words = [f"{len(demo.results)} models" + (f" from {base}" if base else "")]
    words += ["losses: " + ", ".join(losses)] if losses else []
    if demo.manifest:
        words.append(f"{len(demo.manifest['changed'])} of {demo.manifest.get('pairs')} labels corrupted")
    if finite(demo.meta.get("seconds")):
        words.append(f"made in {duration(demo.meta['seconds'])}")
    return " · ".join(words)


def _warnings(page: Page, demo: DemoFolder) -> None:
    """Signs of trouble in each model's training, if there are any."""
    rates = {row["model"]: row.get("noise_rate") for row in demo.results}
    for model, metrics in demo.metrics.items():
        for sign in signs(metrics, noise_rate=rates[model]):
            if sign.level != "fine":
                page.warning(f"{model}: {sign.text}", level=sign.level)


def _answers(page: Page, demo: DemoFolder, styles: Mapping[str, Any]) -> None:
    page.section("Answers side by side")
    prompts = parts.shared_prompts(demo.answers, SAMPLES)
    page.text(
        f"The first {len(prompts)} held-out prompts in the order of the file, whatever their scores. The "
        "figure beside a model's name is the gold reward of that answer; beneath is what it is made of."
    )
    parts.samples(page, demo.answers, styles, prompts)
    lengths = {model: [len(row["output"]) for row in rows] for model, rows in demo.answers.items()}
    panels = charts.length_histograms(lengths, styles)
    if panels:
        page.chart(
            list(panels.values()),
            "Length of all held-out answers, the mean marked. A gain that comes with longer answers is "
            "suspect.",
        )


def _reproduce(page: Page, meta: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> None:
    page.section("Make it again")
    page.text("The same seeds give the same numbers on the same machine with the same versions.")
    page.code(str(meta.get("command") or "gammapo demo --output DIR"))
    facts, long = {"models": str(len(results))}, []
    if finite(meta.get("seconds")):
        facts["time"] = duration(meta["seconds"])
    for name in ("machine", "seeds", "settings", "versions"):
        value = meta.get(name)
        entries = value if isinstance(value, Mapping) else {name: value}
        for key, inner in entries.items():
            if isinstance(inner, Mapping) or (isinstance(inner, list) and any(map(_nested, inner))):
                lines = inner if isinstance(inner, list) else [inner]
                long += [f"{key}:", *(f"  {json.dumps(line, ensure_ascii=False)}" for line in lines)]
            elif inner is not None:
                text = ", ".join(map(str, inner)) if isinstance(inner, list) else str(inner)
                facts[str(key).replace("_", " ")] = text
    page.facts(facts)
    if long:
        page.code("\n".join(long))
    stages = meta.get("stages")
    if isinstance(stages, Mapping) and stages:
        rows = [[name, duration(seconds)] for name, seconds in stages.items()]
        page.table(["Stage", "Time"], rows, right=[False, True], caption="Where the time went.")


def _nested(value: Any) -> bool:
    return isinstance(value, Mapping | list)
