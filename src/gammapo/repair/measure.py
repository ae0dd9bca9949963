"""What a trained model makes of the held-out pairs: whether its reward prefers the right answer, and how
good its own answers are where a scorer tells."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gammapo import data, files, generation, judging, losses, models
from gammapo.errors import InputError, RunError
from gammapo.repair.material import HELD_OUT
from gammapo.repair.plan import RepairPlan
from gammapo.repair.reading import read, tokens_of
from gammapo.training import Recipe
from gammapo.types import PairLogps, PreferencePair, TokenizedPair


def held_out_pairs(folder: Path) -> list[PreferencePair]:
    return list(data.load_pairs(folder / HELD_OUT).pairs)


def check_scores(recipe: Recipe, pairs: Sequence[PreferencePair]) -> None:
    """Raise InputError now, and not after the training, if the loss needs scores that held-out pairs lack."""
    if "scores" not in losses.create(**recipe.loss).needs:
        return
    lacking = next((p for p in pairs if p.chosen_score is None or p.rejected_score is None), None)
    if lacking is not None:
        raise InputError(
            f"loss {recipe.loss['name']!r} needs scores, and the held-out pair {lacking.id} has none",
            field="loss.name",
            expected="scores on every held-out pair",
            fix="score the pairs, or take another loss",
        )


def check_lengths(folder: Path, recipe: Recipe) -> None:
    """Raise InputError now, and not after the training, if the recipe's token limits leave held-out pairs of
    fewer than two prompts, over which there is no interval."""
    pairs = {pair.id: pair for pair in held_out_pairs(folder)}
    kept = {pairs[one.id].prompt for one in tokens_of(recipe, list(pairs.values()))}
    if len(kept) < 2:
        raise InputError(
            f"{len(kept)} held-out prompt fits",
            field="data.max_length",
            expected="at least 2, since intervals are over prompts",
            fix="raise the recipe's limits of tokens, or hold out more",
        )


def reward_gaps(folder: Path, recipe: Recipe, model_path: str | Path) -> dict[str, float]:
    """Pair id → reward gap, chosen − rejected, in the loss's own unit; for each held-out pair that fits.

    The gap is the training loss's: β times the gap of mean log-probs for SimPO, of log-ratios for DPO.

    Raises:
        RunError: a gap is not finite.
    """
    pairs = tokens_of(recipe, held_out_pairs(folder))
    loss = losses.create(**recipe.loss)
    values = read(model_path, recipe, pairs)
    if "reference" in loss.needs | loss.uses:
        base = read(recipe.model.path, recipe, pairs, cache=folder / "measured" / "base.parquet")
        values = replace(values, reference_chosen=base.chosen, reference_rejected=base.rejected)
    gaps = loss(_with_scores(values, pairs)).reward_gaps.tolist()
    if lost := sum(not math.isfinite(gap) for gap in gaps):
        raise RunError(
            f"{model_path}: {lost} of {len(gaps)} held-out pairs have no finite reward gap: training ran "
            "away with the model; lower the recipe's learning rate, in another folder"
        )
    return {pair.id: gap for pair, gap in zip(pairs, gaps, strict=True)}


def _with_scores(values: PairLogps, pairs: list[TokenizedPair]) -> PairLogps:
    import torch

    scores = [(pair.chosen_score, pair.rejected_score) for pair in pairs]
    if any(score is None for both in scores for score in both):
        return values
    columns = torch.tensor(scores, dtype=values.chosen.dtype, device=values.chosen.device).t()
    return replace(values, chosen_score=columns[0], rejected_score=columns[1])


def scored_answers(
    folder: Path, plan: RepairPlan, model_path: str | Path, name: str, progress: Any = None
) -> list[dict[str, Any]]:
    """The model's answer to each held-out prompt with its score, kept in `answers/NAME.json`."""
    assert plan.scorer is not None
    path = folder / "answers" / f"{name}.json"
    if path.is_file():
        return files.read_json(path)
    outputs = path.with_name(f"{name}.outputs.json")
    # a prompt with several pairs is asked once
    items = {item.messages: item for item in generation.load_prompts(folder / HELD_OUT).items}
    if not outputs.is_file():
        backend = generation.create(
            "transformers",
            model=models.load_model(model_path, dtype=plan.recipe.model.dtype),
            tokenizer=models.load_tokenizer(plan.recipe.model.path),
        )
        sampling = generation.Sampling(
            max_new_tokens=plan.max_new_tokens, temperature=plan.temperature, seed=plan.seed
        )
        asked = generation.PromptSet(source=HELD_OUT, items=tuple(items.values()))
        generation.write_outputs(asked, backend, sampling, outputs, generator=name, progress=progress)
    rows = files.read_json(outputs)
    scorer, answers = judging.create_scorer(plan.scorer), [row["output"] for row in rows]
    scores = judging.checked_scores(scorer, list(items), answers, plan.scorer)
    scored = [
        {"instruction": row["instruction"], "output": row["output"], "score": score}
        for row, score in zip(rows, scores, strict=True)
    ]
    files.write_json(path, scored)
    return scored
