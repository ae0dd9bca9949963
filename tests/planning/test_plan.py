"""The plan of a real recipe is what the trainer then does."""

import json

import pytest
from tests.training.conftest import pair_file, recipe_dict  # noqa: F401
from typer.testing import CliRunner

from gammapo import planning
from gammapo.errors import InputError
from gammapo.planning.describe import sections
from gammapo.planning.work import Lengths, hours, lengths_of, training_flops
from gammapo.training import parse_recipe, train
from gammapo.training.prepare import prepare
from gammapo.types import TokenizedPair


def test_lengths_by_hand():
    pair = TokenizedPair(id="a", prompt=(1, 2, 3), chosen=(4, 5), rejected=(6,))
    # prompt 1+2+3; chosen sees 3 each and 1+2 of itself; rejected 3+1
    assert lengths_of([pair]) == Lengths(pairs=1, tokens=6, scored=3, attended=6 + 9 + 4)


def test_a_pass_more_costs_a_forward(tiny_model_dir):
    shape = planning.load_shape(str(tiny_model_dir))
    lengths = Lengths(pairs=1, tokens=1000, scored=0, attended=0)
    plain = {"checkpointing": False, "couples": False, "adapters": False, "reference": False}
    once = training_flops(shape, lengths, **plain) / 3
    assert once == 2 * shape.body * 1000
    for name in ("checkpointing", "couples", "reference"):
        assert training_flops(shape, lengths, **(plain | {name: True})) == 4 * once
    assert training_flops(shape, lengths, **(plain | {"adapters": True})) == 2 * once
    heads = Lengths(pairs=1, tokens=0, scored=1000, attended=0)
    head = 2 * shape.vocabulary * shape.hidden * 1000
    assert training_flops(shape, heads, **plain) == 4 * head  # forward, again, two backward parts
    assert training_flops(shape, heads, **(plain | {"adapters": True})) == 3 * head  # its weights are frozen


def test_hours():
    assert hours(3600 * 1e12 * 10 * 0.5 * 4, gpus=4, peak_tflops=10, share=0.5) == pytest.approx(1)


def test_the_plan_is_what_the_trainer_does(recipe_dict, tmp_path):  # noqa: F811
    recipe = parse_recipe(recipe_dict)
    prepared = prepare(recipe)
    plan = planning.plan_run(prepared, planning.load_shape(recipe.model.path))
    result = train(recipe)
    assert plan.steps == result.steps == 10  # 40 pairs, 8 a step, two epochs
    rates = [json.loads(line)["learning_rate"] for line in (tmp_path / "run/metrics.jsonl").open()]
    assert plan.warmup_steps == 1
    assert max(rates) == pytest.approx(recipe.training.learning_rate, rel=0.05)
    assert plan.verdict


def test_more_gpus_change_the_cut_and_not_the_steps(recipe_dict):  # noqa: F811
    recipe = parse_recipe(recipe_dict | {"loss": {"name": "simpo"}})
    prepared, shape = prepare(recipe), planning.load_shape(recipe.model.path)
    one, four = (planning.plan_run(prepared, shape, gpus=n) for n in (1, 4))
    assert one.steps == four.steps
    assert four.micro_batches <= one.micro_batches
    assert four.flops == one.flops
    assert one.hours == pytest.approx(4 * four.hours)


def test_an_unknown_engine_is_named(recipe_dict):  # noqa: F811
    recipe = parse_recipe(recipe_dict)
    with pytest.raises(InputError, match="zero3"):
        planning.plan_run(prepare(recipe), planning.load_shape(recipe.model.path), engine="zero4")


@pytest.mark.parametrize("given", [{"gpu_memory": float("inf")}, {"peak_tflops": float("inf")}])
def test_a_gpu_without_bounds_is_none(recipe_dict, given):  # noqa: F811
    """JSON has no infinity."""
    recipe = parse_recipe(recipe_dict)
    with pytest.raises(InputError, match="--gpu-(memory|tflops): got inf"):
        planning.plan_run(prepare(recipe), planning.load_shape(recipe.model.path), **given)


def test_dry_run_writes_nothing_and_reads_no_weights(recipe_dict, tmp_path):  # noqa: F811
    import shutil
    from pathlib import Path

    import yaml

    from gammapo.cli.app import app

    bare = tmp_path / "bare"  # the model's folder without its weights
    shutil.copytree(recipe_dict["model"]["path"], bare, ignore=shutil.ignore_patterns("*.safetensors"))
    path = tmp_path / "recipe.yaml"
    path.write_text(
        yaml.safe_dump(recipe_dict | {"model": {"path": str(bare), "dtype": "bfloat16", "masters": "dtype"}})
    )
    runner = CliRunner()
    done = runner.invoke(app, ["train", str(path), "--dry-run", "--gpus", "2", "--format", "json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["plan"]["steps"] == 10
    assert told["inputs"]["BOS"] == "exactly one '<s>' in every prompt"
    assert "loses updates" in " ".join(told["plan"]["warnings"])
    assert "γ = 0.6 absolute" in told["objective"]
    assert not Path(recipe_dict["output"]).exists()
    table = runner.invoke(app, ["train", str(path), "--dry-run"]).stdout
    assert "head chunk" in table
    assert "not measured" in table


@pytest.mark.parametrize(
    ("settings", "steps", "said"),
    [
        ({"warmup_steps": 4}, 4, "after 4 steps"),
        ({"lr_scheduler_type": "constant"}, 0, "constant, peak 0.001 from the first step"),
    ],
)
def test_the_warm_up_is_the_one_that_is_run(recipe_dict, settings, steps, said):  # noqa: F811
    recipe = parse_recipe(recipe_dict | {"training": recipe_dict["training"] | settings})
    prepared, shape = prepare(recipe), planning.load_shape(recipe.model.path)
    plan = planning.plan_run(prepared, shape)
    assert plan.warmup_steps == steps
    assert said in dict(sections(prepared, shape, plan)["schedule"])["learning rate"]


def test_a_run_of_so_many_steps_says_its_epochs(recipe_dict):  # noqa: F811
    """5 steps are an epoch of 40 pairs in eights; num_train_epochs has no say."""
    recipe = parse_recipe(recipe_dict | {"training": recipe_dict["training"] | {"max_steps": 13}})
    prepared, shape = prepare(recipe), planning.load_shape(recipe.model.path)
    schedule = dict(sections(prepared, shape, planning.plan_run(prepared, shape))["schedule"])
    assert schedule["steps"].startswith("13 over 2.6 epoch(s) of 40 pairs")
