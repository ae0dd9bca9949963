"""From a recipe to what is trained on: pairs loaded, corrupted if asked, tokenised, and the loss checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from gammapo import data, files, losses, models
from gammapo.errors import InputError
from gammapo.losses.spec import NEEDS, Loss
from gammapo.training import adapters
from gammapo.training.recipe import Recipe
from gammapo.training.trackers import check_trackers
from gammapo.types import TokenizedPair

NOTE = "run.json"  # in a run's folder: whose it is, and what it began with


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that can be known before the model's weights are read."""

    recipe: Recipe
    loss: Loss
    tokenizer: Any
    pairs: list[TokenizedPair]
    fingerprint: str  # of the pairs with their labels as trained on
    noise: Mapping[str, Any] | None  # the manifest of the labels corrupted here
    notes: list[str]  # what was read, dropped, cut and left unused, in words
    day: str | None = None  # that of the run's start, where the chat template writes it


def prepare(recipe: Recipe) -> Prepared:
    """Load, corrupt and tokenise a recipe's pairs.

    Raises:
        InputError: anything wrong with the recipe or the data, named as exactly as it is known.
    """
    if recipe.lora is not None:
        adapters.check_start(recipe.model.path)
    check_trackers((recipe.training.model_extra or {}).get("report_to"))  # before any data is read
    loaded = data.load_pairs(
        recipe.data.path, split=recipe.data.split, limit=recipe.data.limit, on_bad=recipe.data.on_bad
    )
    notes = [loaded.report.describe()]
    if recipe.data.limit is not None and loaded.report.rows >= recipe.data.limit:
        notes.append(f"data.limit is {recipe.data.limit}: what follows in the file is not read")
    pairs, manifest = loaded.pairs, None
    if recipe.noise.kind is not None and recipe.noise.rate > 0:
        from gammapo import noise
        from gammapo.noise.guards import own_noise_told

        sha256 = data.source_sha256(recipe.data.path, loaded.report.fingerprint)
        noise.refuse_corrupted(recipe.data.path, loaded.report.noise_marker, sha256)
        with own_noise_told([recipe.noise.kind]):
            corrupted = noise.corrupt(
                pairs,
                recipe.noise.kind,
                rate=recipe.noise.rate,
                seed=recipe.noise.seed,
                **recipe.noise.options,
            )
        pairs, manifest = corrupted.pairs, corrupted.manifest.as_dict()
        notes.append(f"noise {recipe.noise.kind} at rate {recipe.noise.rate:g}, seed {recipe.noise.seed}")
    tokenizer, day = models.load_tokenizer(recipe.model.path), None
    if data.writes_the_date(tokenizer):
        day = _day_of_start(Path(recipe.output))
        data.on_day(tokenizer, date.fromisoformat(day))
        notes.append(
            f"the chat template writes the date: {day}, for as long as this run lasts; whoever answers with "
            "the model later writes another"
        )
    tokenized = data.tokenize_pairs(
        pairs,
        tokenizer,
        max_length=recipe.data.max_length,
        max_prompt_length=recipe.data.max_prompt_length,
    )
    notes.append(tokenized.report.describe())
    loss = losses.create(**recipe.loss)
    return Prepared(
        recipe=recipe,
        loss=loss,
        tokenizer=tokenizer,
        pairs=_with_uniform_scores(tokenized.pairs, loss, notes),
        fingerprint=data.fingerprint(pairs),
        noise=manifest,
        notes=notes,
        day=day,
    )


def _day_of_start(run: Path) -> str:
    """As the run's folder notes it, or today: a run that goes on must read the same prompts."""
    noted = files.read_json(run / NOTE).get("day") if (run / NOTE).is_file() else None
    return noted or date.today().isoformat()


def planned(prepared: Prepared, steps_per_epoch: int) -> Prepared:
    """With the loss told what only the run knows: its steps, and how long pairs are new to the model."""
    steps = total_steps(prepared.recipe, steps_per_epoch)
    return replace(prepared, loss=prepared.loss.planned(steps, fresh_steps=steps_per_epoch))


def total_steps(recipe: Recipe, steps_per_epoch: int) -> int:
    """Optimiser steps of the whole run."""
    most = (recipe.training.model_extra or {}).get("max_steps", -1)
    return most if most > 0 else math.ceil(recipe.training.num_train_epochs * steps_per_epoch)


def _with_uniform_scores(pairs: list[TokenizedPair], loss: Loss, notes: list[str]) -> list[TokenizedPair]:
    """Scores on every pair or on none, as a loss needs them: half of a column is no column."""
    without = [pair for pair in pairs if pair.chosen_score is None or pair.rejected_score is None]
    if not without:
        return pairs
    if "scores" in loss.needs:
        raise InputError(
            f"loss {loss.name!r} needs scores, and {len(without)} of {len(pairs)} pairs have none "
            f"(the first is pair {without[0].id})",
            field="loss.name",
            expected=" and ".join(NEEDS["scores"]) + " on every pair",
            fix="score the answers with a reward model, drop these pairs, or take another loss",
        )
    if len(without) < len(pairs):
        notes.append(f"scores are left unused: {len(without)} of {len(pairs)} pairs have none")
    return [replace(pair, chosen_score=None, rejected_score=None) for pair in pairs]
