"""The report of a repair: whether mending labels helped against doing nothing, and what was mended."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gammapo.errors import InputError
from gammapo.files import read_json
from gammapo.report import charts
from gammapo.report.blocks import Cell
from gammapo.report.finding import Verdict
from gammapo.report.numbers import number, span
from gammapo.report.page import Page
from gammapo.report.palette import NEUTRAL, SLOTS

Row = Mapping[str, Any]
ARMS = {
    "as_given": "labels as given",
    "repaired": "labels repaired",
    "true_labels": "true labels",
}
COLOURS = {"as_given": NEUTRAL, "repaired": SLOTS[0][0], "true_labels": SLOTS[2][0]}
METRICS = {
    "accuracy": "Held-out accuracy",
    "preferred_score": "Score of the preferred answer",
    "answer_score": "Score of the model's own answers",
}
MEANING = (
    "Held-out accuracy: share of held-out pairs whose better answer has the higher reward (ties half). "
    "Score of the preferred answer: the mean score of whichever held-out answer the reward prefers. "
    "Score of the model's own answers: what the scorer gives its answers to the held-out prompts."
)


def read_repair(path: str | Path) -> dict[str, Any]:
    """The `results.json` of a repair.

    Raises:
        InputError: a part of it is missing.
    """
    results = read_json(path)
    for key in ("plan", "pairs", "arms", "comparisons", "repairs", "seeds", "steps", "measured_pairs"):
        if key not in results:
            raise InputError(
                "is missing", file=path, field=key, expected="the results of a repair", fix="run it again"
            )
    return results


def repair_page(results: Row) -> Page:
    """The page of a repair's `results.json`, for HTML or Markdown."""
    page = Page("Did repairing the labels help?", _subtitle(results))
    found = verdict(results)
    page.finding(found.text, tone="good" if found.decided else "open")
    page.section("Against doing nothing")
    _differences(page, results)
    _dots(page, results)
    _cautions(page, results)
    page.section("What was changed")
    _changes(page, results)
    page.section("Make it again")
    page.code(command(results))
    plan = dict(results["plan"])
    recipe = plan.pop("recipe")
    page.facts({name.replace("_", " "): value for name, value in plan.items() if value is not None})
    page.code(json.dumps(recipe, indent=2, ensure_ascii=False))
    return page


def verdict(results: Row) -> Verdict:
    """What the accuracy on held-out pairs says, in a sentence.

    It is decided if the interval over held-out pairs leaves zero out, and, where several seeds were trained,
    the interval over seeds does too.
    """
    one = next(
        row for row in results["comparisons"] if row["a"] == "repaired" and row["metric"] == "accuracy"
    )
    if not any(repair["changed"] for repair in results["repairs"]):
        return Verdict(text="No label was suspect enough to be changed: nothing was repaired.", decided=False)
    low, high = one["ci95"]
    over_seeds = one["ci95_over_seeds"]
    decided = not low <= 0 <= high and (over_seeds is None or not over_seeds[0] <= 0 <= over_seeds[1])
    size = (
        f"{number(100 * one['difference'], 1, sign=True)} points of held-out accuracy "
        f"({span(100 * low, 100 * high, 1, sign=True)} over {one['units']} pairs"
    )
    if over_seeds is not None:
        width = span(100 * over_seeds[0], 100 * over_seeds[1], 1, sign=True)
        size += f"; {width} over {one['seeds']} seeds"
    size += ")"
    if not decided:
        return Verdict(text=f"Whether the repair helped cannot be told: {size}.", decided=False)
    return Verdict(
        text=f"The repair {'helped' if one['difference'] > 0 else 'harmed'}: {size}.", decided=True
    )


def command(results: Row) -> str:
    """The command line that remakes the result, recipe apart."""
    plan = results["plan"]
    words = ["gammapo repair", shlex.quote(plan["source"]), "--recipe RECIPE.yaml", "-o DIR"]
    words += [f"--how {plan['how']}", f"--above {plan['above']:g}", f"--seeds {results['seeds']}"]
    held_out = shlex.quote(plan["evaluation"]) if plan["evaluation"] else ""
    words += [f"--eval {held_out}"] if held_out else [f"--holdout {plan['holdout']:g}"]
    words += [f"--cross-fit {plan['cross_fit']}"] if plan["cross_fit"] else [f"--by {plan['by']}"]
    if plan["scorer"]:
        words += [f"--scorer {shlex.quote(plan['scorer'])}", f"--max-new-tokens {plan['max_new_tokens']}"]
        words += [f"--temperature {plan['temperature']:g}"]
    words += ["--ceiling"] if plan["ceiling"] else []
    return " ".join([*words, f"--seed {plan['seed']}"])


def _subtitle(results: Row) -> str:
    plan, pairs = results["plan"], results["pairs"]
    done = "flipped" if plan["how"] == "flip" else "dropped"
    words = [f"loss {plan['recipe']['loss']['name']}", f"model {plan['recipe']['model']['path']}"]
    words += [f"{pairs['train']} pairs trained on, {results['measured_pairs']} held out"]
    count = f"{results['seeds']} seed" + ("" if results["seeds"] == 1 else "s")
    return " · ".join([*words, f"suspects above {plan['above']:g} {done}", count])


def _differences(page: Page, results: Row) -> None:
    several = results["seeds"] > 1
    rows = []
    for row in results["comparisons"]:
        digits, scale = _scale(row["metric"])
        low, high = (scale * end for end in row["ci95"])
        cells = [
            Cell(text=METRICS[row["metric"]]),
            f"{ARMS[row['a']]} − {ARMS[row['b']]}",
            Cell(
                text=number(scale * row["difference"], digits, sign=True),
                note=span(low, high, digits, sign=True),
            ),
        ]
        if several:
            ends = [scale * end for end in row["ci95_over_seeds"]]
            cells.append(span(ends[0], ends[1], digits, sign=True))
        rows.append([*cells, number(row["p_value"], 3), str(row["units"])])
    page.table(
        [
            "Measure",
            "Difference",
            "Value (interval over units)",
            *(["Interval over seeds"] if several else []),
            "p",
            "Units",
        ],
        rows,
        right=[False, False, True, *([True] if several else []), True, True],
        caption=f"{MEANING} Accuracies in percentage points. Intervals are 95 %; the one over units "
        "resamples held-out prompts, models as they are; the one over seeds says what other trainings would "
        "give.",
    )


def _dots(page: Page, results: Row) -> None:
    drawn = []
    for name, title in METRICS.items():
        digits, scale = _scale(name)
        rows = [
            {
                "label": ARMS[row["arm"]],
                "value": scale * row["mean"],
                "low": scale * row["ci95"][0],
                "high": scale * row["ci95"][1],
                "colour": COLOURS[row["arm"]],
            }
            for row in results["arms"]
            if row["metric"] == name
        ]
        if rows:
            subtitle = "95 % interval" + (", in %" if scale == 100 else "")
            drawn.append(charts.interval_dots(rows, title=title, subtitle=subtitle, digits=digits))
    page.chart(
        drawn,
        "Each arm's mean over seeds and held-out units. Two intervals may overlap although the **paired** "
        "difference above is clear; the table decides.",
    )


def _cautions(page: Page, results: Row) -> None:
    pairs = results["pairs"]
    if pairs["held_out_labels"] == "as given":
        page.warning(
            "The held-out labels are taken as they are. If they hold wrong labels of the same kind, a true "
            "gain shows smaller; give clean pairs with --eval to measure it in full."
        )
    if pairs["left_out"]:
        page.warning(f"{pairs['left_out']} held-out pairs were left out: their prompts are also trained on.")
    if results["measured_pairs"] < pairs["held_out"]:
        lost = pairs["held_out"] - results["measured_pairs"]
        page.warning(f"{lost} held-out pairs did not fit the recipe's token limits and were not measured.")
    if results["seeds"] == 1:
        page.warning(
            "One training a side: its own chance is in the difference and not in the interval. --seeds 3 or "
            "more show it."
        )
    ignorant = [str(one["seed"]) for one in results["repairs"] if one.get("knows") is False]
    if ignorant:
        page.warning(
            f"Nothing was changed at seed {', '.join(ignorant)}: the witnesses agree with the labels no "
            "better than chance, so that neither their order nor the estimated share tells which are wrong."
        )
    if results["plan"]["how"] == "drop" and any(one["changed"] for one in results["repairs"]):
        steps = results["steps"]
        page.warning(
            f"Dropping pairs leaves fewer optimiser steps: {steps['repaired'][0]} against "
            f"{steps['as_given'][0]}."
        )


def _changes(page: Page, results: Row) -> None:
    known = results["pairs"]["flips"] is not None
    flips, total = results["pairs"]["flips"], results["pairs"]["train"]
    rows = []
    for one in results["repairs"]:
        low, high = one["estimated_flip_rate_ci95"]
        cells: list[Any] = [str(one["seed"]), str(one["changed"])]
        if known:
            cells += [str(one["right"]), str(one["harmed"]), str(one["missed"])]
        rate = Cell(
            text=f"{number(100 * one['estimated_flip_rate'], 1)} %", note=span(100 * low, 100 * high, 1)
        )
        rows.append([*cells, rate, *([number(one["auroc"], 3)] if known else [])])
    what = "flipped" if results["plan"]["how"] == "flip" else "dropped"
    wrong, good = ["Wrong ones among them", "Good ones harmed", "Wrong ones missed"], ["AUROC"]
    page.table(
        [
            "Seed",
            f"Pairs {what}",
            *(wrong if known else []),
            "Estimated wrong labels",
            *(good if known else []),
        ],
        rows,
        right=[True] * len(rows[0]),
        caption=(
            f"{flips} of {total} training labels are wrong by the noise manifest. AUROC: how well the "
            "suspicion ranks them above the others."
            if known
            else f"Of {total} training labels. Which of them are wrong is not known, so the changes cannot "
            "be checked one by one."
        ),
    )
    _bookkeeping(page, results["repairs"], known)


def _bookkeeping(page: Page, repairs: Sequence[Row], known: bool) -> None:
    if not known:
        return
    right, harmed = (sum(one[name] for one in repairs) for name in ("right", "harmed"))
    if right + harmed:
        share = number(100 * right / (right + harmed), 0)
        page.text(f"{share} % of the changes met a wrong label.")


def _scale(metric: str) -> tuple[int, float]:
    return (1, 100.0) if metric == "accuracy" else (3, 1.0)
