"""Training: `train(recipe)` leaves a run folder, and goes on where a killed run stood."""

from gammapo.training.recipe import Recipe, load_recipe, parse_recipe
from gammapo.training.run import RunResult, train

__all__ = ["Recipe", "RunResult", "load_recipe", "parse_recipe", "train"]
