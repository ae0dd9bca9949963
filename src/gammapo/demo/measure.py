"""From answers to the numbers of the report: gold rewards, win rates against the base, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gammapo import evaluation, files
from gammapo.demo.plan import BASE, Plan
from gammapo.types import Judgement


def annotate(
    name: str, answers: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], path: Path
) -> list[Judgement]:
    """Judge every answer against the base's by their gold rewards, and write AlpacaEval annotations."""
    judgements = [
        Judgement(
            instruction=mine["instruction"],
            output_1=reference["output"],
            output_2=mine["output"],
            generator_1=BASE,
            generator_2=name,
            preference=1.5 + 0.5 * float(np.sign(mine["gold"] - reference["gold"])),
            annotator="gold reward",
        )
        for mine, reference in zip(answers, base, strict=True)
    ]
    keys = ("instruction", "output_1", "output_2", "generator_1", "generator_2", "preference", "annotator")
    files.write_json(path, [{key: getattr(one, key) for key in keys} for one in judgements])
    return judgements


def result_row(
    name: str,
    loss: str | None,
    noise_rate: float,
    answers: Sequence[Mapping[str, Any]],
    judgements: Sequence[Judgement],
    chosen_reward: float,
    plan: Plan,
) -> dict[str, Any]:
    """One object of `results.json`. Intervals are 95 % bootstraps over the held-out prompts."""
    golds = np.array([row["gold"] for row in answers])
    gold = evaluation.bootstrap_ci(golds, n_bootstrap=plan.bootstrap, seed=plan.seed)
    options = evaluation.Options(bootstrap=plan.bootstrap, seed=plan.seed)
    won = evaluation.evaluate(evaluation.from_judgements(judgements, origin=name), options).as_dict()
    return {
        "model": name,
        "loss": loss,
        "noise_rate": noise_rate,
        "gold_reward": float(golds.mean()),
        "gold_reward_ci95": [gold.low, gold.high],
        "win_rate": won["win_rate"],
        "win_rate_ci95": won["win_rate_ci95"],
        "length_controlled_winrate": won["length_controlled_winrate"],
        "lc_ci95": won["lc_ci95"],
        "avg_length": float(np.mean([len(row["output"]) for row in answers])),
        "chosen_reward": chosen_reward,
        "constraints_met": float(np.mean([row["parts"]["constraints_met"] for row in answers])),
        "quality": float(np.mean([row["parts"]["quality"] for row in answers])),
    }


def comparisons(answers: Mapping[str, Sequence[Mapping[str, Any]]], plan: Plan) -> list[dict[str, Any]]:
    """Paired differences in gold reward between every two trained models, and of each with the base."""
    names = list(answers)
    rows = []
    for index, first in enumerate(names):
        for second in names[:index]:
            difference = evaluation.paired_difference(
                [row["gold"] for row in answers[first]],
                [row["gold"] for row in answers[second]],
                n_bootstrap=plan.bootstrap,
                seed=plan.seed,
            )
            rows.append(
                {
                    "a": first,
                    "b": second,
                    "metric": "gold_reward",
                    "difference": difference.estimate,
                    "ci95": [difference.low, difference.high],
                    "p_value": difference.p_value,
                }
            )
    adjusted = evaluation.holm([row["p_value"] for row in rows])
    return [row | {"p_value_holm": float(p)} for row, p in zip(rows, adjusted, strict=True)]
