"""Every recipe in the repository is read, its loss built, and its numbers are the published ones."""

import json
from pathlib import Path

import pytest
from tests.training.conftest import pair_file, recipe_dict  # noqa: F401

from gammapo import losses
from gammapo.training import load_recipe, parse_recipe, train

RECIPES = Path(__file__).parents[2] / "recipes"
FILES = sorted(path for path in RECIPES.rglob("*.yaml") if path.parent.name != "accelerate")
NAMES = [str(path.relative_to(RECIPES).with_suffix("")) for path in FILES]
LORA = (RECIPES / "lora.txt").read_text().split()

# β, absolute γ, τ and learning rate, read off SimPO's and γ-PO's repositories by hand
PUBLISHED = {
    "llama-3-8b-instruct/simpo": (10, 3.0, None, 1e-6),
    "mistral-7b-instruct/simpo": (2.5, 0.25, None, 5e-7),
    "gemma-2-9b-it/simpo": (10, 5.0, None, 8e-7),
    "qwen2.5-7b-instruct/gamma_simpo": (10, 3.0, 3, 1e-6),
    "llama-3-8b-instruct/gamma_simpo": (10, 4.0, 10, 1e-6),
    "mistral-7b-instruct/gamma_simpo": (2.5, 0.375, 10, 6e-7),
    "gemma-2-9b-it/gamma_simpo": (10, 5.0, 20, 8e-7),
    "llama-3-8b-instruct/dpo": (0.01, None, None, 3e-7),
    "mistral-7b-instruct/dpo": (0.01, None, None, 5e-7),
    "gemma-2-9b-it/dpo": (0.01, None, None, 5e-7),
}


def test_the_recipes_asked_for_are_there():
    for model in ("qwen2.5-7b-instruct", "llama-3-8b-instruct", "mistral-7b-instruct", "gemma-2-9b-it"):
        assert {f"{model}/{loss}" for loss in ("simpo", "gamma_simpo", "gammapo", "dpo")} <= set(NAMES)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_every_recipe_is_sound_in_full_and_with_adapters(path):
    recipe = load_recipe(path)
    assert losses.create(**recipe.loss).name == recipe.loss["name"]
    adapted = load_recipe(path, LORA)
    assert adapted.lora is not None
    assert adapted.model.dtype == "bfloat16"
    assert path.read_text().startswith("#"), "a recipe says what it is and where its numbers come from"


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_numbers(name):
    recipe = load_recipe(RECIPES / f"{name}.yaml")
    options = losses.create(**recipe.loss).options
    beta, gamma, tau, rate = PUBLISHED[name]
    assert (options.beta, recipe.training.learning_rate) == (beta, rate)
    assert (recipe.training.pairs_per_step, recipe.training.num_train_epochs) == (128, 1)
    assert (recipe.data.max_length, recipe.data.max_prompt_length) == (2048, 1800)
    if gamma is not None:
        assert options.target_margin == pytest.approx(gamma)
    if tau is not None:
        assert options.tau == tau


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name != "smollm2"], ids=lambda p: p.stem)
def test_full_size_recipes_keep_float32_masters(path):
    """AdamW moves a weight by about the learning rate; bfloat16 resolves 2⁻⁸ of it, far more."""
    assert load_recipe(path).model.dtype == "float32"


def test_the_dpo_form_measures_from_the_reference(recipe_dict, tmp_path):  # noqa: F811
    """Trained as shipped: the reference is read, and the first step's gaps are 0 as the model is still it."""
    shipped = load_recipe(RECIPES / "qwen2.5-7b-instruct/gammapo_dpo.yaml").loss
    recipe_dict["training"] = recipe_dict["training"] | {"num_train_epochs": 1}
    train(parse_recipe(recipe_dict | {"loss": shipped}))
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    assert shipped["per_token"] is False
    assert (tmp_path / "run/reference.parquet").is_file()
    assert rows[0]["reward_gap"] == pytest.approx(0, abs=1e-4)
    assert abs(rows[-1]["reward_gap"]) > 1e-3
