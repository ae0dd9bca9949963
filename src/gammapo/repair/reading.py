"""Pairs as a recipe reads them: its tokens, and their log-probs under a model of its kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gammapo import data, logps, models
from gammapo.training import Recipe
from gammapo.types import PairLogps, PreferencePair, TokenizedPair


def tokens_of(recipe: Recipe, pairs: Sequence[PreferencePair]) -> list[TokenizedPair]:
    """The pairs that fit the recipe's limits, by the tokenizer of its model."""
    return data.tokenize_pairs(
        list(pairs),
        models.load_tokenizer(recipe.model.path),
        max_length=recipe.data.max_length,
        max_prompt_length=recipe.data.max_prompt_length,
    ).pairs


def read(
    path: str | Path, recipe: Recipe, pairs: Sequence[TokenizedPair], cache: Path | None = None
) -> PairLogps:
    """Log-probs under the model at `path`; see `logps.reference_logps` for the cache."""
    return logps.reference_logps(
        models.load_model(path, dtype=recipe.model.dtype),
        pairs,
        tokens_per_batch=recipe.training.tokens_per_batch,
        cache=cache,
        model_name=str(path),
    )
