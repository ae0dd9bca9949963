import pytest
import yaml

from gammapo.errors import InputError
from gammapo.training import load_recipe, parse_recipe


def test_defaults_and_overrides(tmp_path, recipe_dict):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict))
    recipe = load_recipe(
        path, ["training.learning_rate=5e-7", "loss.beta=2.5", "data.limit=3", "lora.rank=4"]
    )
    assert recipe.training.learning_rate == 5e-7
    assert recipe.loss["beta"] == 2.5
    assert recipe.data.limit == 3
    assert recipe.lora is not None
    assert recipe.lora.rank == 4
    assert recipe.training.warmup_ratio == 0.1


def test_a_number_that_yaml_takes_for_text_is_a_number(tmp_path, recipe_dict):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict).replace("beta: 2", "beta: 1e-1"))
    assert load_recipe(path).loss["beta"] == 0.1


def test_text_in_quotes_stays_text(tmp_path, recipe_dict):
    path = tmp_path / "recipe.yaml"
    recipe_dict["training"] |= {"run_name": "20240501", "lr_scheduler_kwargs": {"min_lr": 1e-5}}
    recipe_dict["training"]["lr_scheduler_type"] = "cosine_with_min_lr"
    path.write_text(yaml.safe_dump(recipe_dict).replace("1.0e-05", "1e-5"))
    extra = load_recipe(path).training.model_extra or {}
    assert extra == {"run_name": "20240501", "lr_scheduler_kwargs": {"min_lr": 1e-5}}
    path.write_text(load_recipe(path).as_yaml())
    assert load_recipe(path).training.model_extra == extra


@pytest.mark.parametrize(
    ("section", "key", "hint"),
    [
        (None, "modle", "'model'"),
        ("data", "max_lenght", "'max_length'"),
        ("training", "learning_rat", "'learning_rate'"),
        ("training", "per_device_train_batch_size", "training.tokens_per_batch"),
        ("lora", "ranks", "'rank'"),
        ("noise", "knd", "'kind'"),
    ],
)
def test_unknown_key_names_the_nearest(recipe_dict, section, key, hint):
    if section is None:
        recipe_dict[key] = 1
    else:
        recipe_dict.setdefault(section, {})[key] = 1
    with pytest.raises(InputError) as caught:
        parse_recipe(recipe_dict, file="r.yaml")
    assert hint in str(caught.value)
    assert str(caught.value).startswith("r.yaml: ")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda r: r.pop("model"), "model: missing"),
        (lambda r: r["training"].update(learning_rate=-1), "training.learning_rate: got -1"),
        (lambda r: r["data"].update(on_bad="ignore"), "data.on_bad"),
        (lambda r: r["loss"].pop("name"), "loss.name"),
        (lambda r: r["training"].update(learning_rate=float("inf")), "training.learning_rate: got inf"),
        (lambda r: r["training"].update(num_train_epochs=float("inf")), "training.num_train_epochs: got inf"),
        (lambda r: r.update(lora={"alpha": float("nan")}), "lora.alpha: got nan; expected a finite number"),
        (lambda r: r["training"].update(seed=2**32), "training.seed: got 4294967296"),
        (lambda r: r.update(noise={"rate": 0.3}), "noise.kind: no kind is named, and noise.rate is 0.3"),
        (lambda r: r.update(noise={"kind": "symetric"}), "noise.kind: unknown .*expected 'symmetric'"),
        (lambda r: r.update(noise={"kind": "tests.nowhere:kind"}), "noise.kind: cannot load"),
        (lambda r: r.update(lora={"target_modules": "foo"}), "lora.target_modules: cannot be adapted: 'foo'"),
    ],
)
def test_bad_values_name_the_field(recipe_dict, change, match):
    change(recipe_dict)
    with pytest.raises(InputError, match=match):
        parse_recipe(recipe_dict)


def test_a_mistyped_section_is_named_and_not_the_one_that_is_missing(recipe_dict):
    recipe_dict["los"] = recipe_dict.pop("loss")
    with pytest.raises(InputError, match="los: unknown key 'los'; expected 'loss'"):
        parse_recipe(recipe_dict)


def test_a_bad_loss_is_told_with_the_recipe(recipe_dict):
    recipe_dict["loss"] = {"name": "simpo", "beta": "much"}
    with pytest.raises(InputError, match=r"^r.yaml: loss.beta: got 'much'"):
        parse_recipe(recipe_dict, file="r.yaml")


def test_bad_override(tmp_path, recipe_dict):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe_dict))
    with pytest.raises(InputError, match="section.key=value"):
        load_recipe(path, ["beta"])


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"kind": "symmetric"},  # a rate may come with the command
        {"kind": "symmetric", "rate": 0.3},
        {"kind": "gammapo.noise.ties:SPEC", "rate": 0.3},
        {"rate": 0},
    ],
)
def test_noise_that_can_be_made(recipe_dict, section):
    assert parse_recipe(recipe_dict | {"noise": section}).noise.kind == section.get("kind")


def test_what_is_refused_is_told_with_the_recipe(recipe_dict):
    for section in (
        {"noise": {"rate": 0.3}},
        {"lora": {"target_modules": "foo"}},
        {"training": {"optim": "foo"}},
    ):
        with pytest.raises(InputError, match=r"^r\.yaml: "):
            parse_recipe(recipe_dict | section, file="r.yaml")
