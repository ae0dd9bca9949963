"""What transformers is handed: refused by name before a run begins, or taken as it is meant."""

import importlib.util
import os

import pytest
import yaml

from gammapo.errors import InputError
from gammapo.training import parse_recipe
from gammapo.training.arguments import LIGER, make_arguments


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"optim": "adamw_torhc"}, "training.optim: got 'adamw_torhc'; expected 'adamw_torch'"),
        ({"lr_scheduler_type": "cosin"}, "training.lr_scheduler_type: got 'cosin'; expected 'cosine'"),
        ({"max_steps": "abc"}, "training.max_steps: got 'abc'; expected a valid integer"),
        ({"max_steps": 1.5}, "training.max_steps: got 1.5; expected a valid integer"),
        ({"max_steps": None}, "training.max_steps: got None"),
        ({"adam_beta1": "foo"}, "training.adam_beta1: got 'foo'; expected a valid number"),
        ({"adam_epsilon": float("nan")}, "training.adam_epsilon: got nan; expected a finite number"),
        ({"bf16": "maybe"}, "training.bf16: got 'maybe'; expected a valid boolean"),
        ({"torch_compile": "maybe"}, "training.torch_compile: got 'maybe'"),
        ({"save_steps": 2.5}, "training.save_steps: got 2.5: .*must be an integer"),
        ({"save_strategy": "foo"}, "training.save_strategy: got 'foo'"),
        ({"warmup_steps": -1}, "training.warmup_steps: got -1"),
        (
            {"eval_strategy": "epoch"},
            "training.eval_strategy: got 'epoch': a run has no pairs to evaluate on",
        ),
        ({"save_only_model": True}, "training.save_only_model: has no effect .*gone on from"),
        ({"ignore_data_skip": True}, "training.ignore_data_skip: has no effect"),
        ({"label_smoothing_factor": 0.4}, "training.label_smoothing_factor: .*cDPO"),
        ({"data_seed": 3}, "training.data_seed: .*training.seed"),
        ({"sample_every": 3, "logging_strategy": "epoch"}, "training.sample_every: .*'epoch'"),
        # what only the optimiser or the schedule looks at
        ({"adam_beta1": 1.5}, "training.adam_beta1: got 1.5: Invalid beta"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "training.lr_scheduler_type: .*min_lr"),
        ({"lr_scheduler_kwargs": {"foo": 1}}, "training.lr_scheduler_kwargs: .*'foo'"),
        ({"optim_args": "foo"}, "training.optim_args: got 'foo'"),
        # mending one of two is not enough, so neither is blamed
        ({"adam_beta1": 1.5, "adam_beta2": 1.5}, "training: Invalid beta"),
    ],
    ids=str,
)
def test_bad_values_name_the_key(recipe_dict, settings, match):
    with pytest.raises(InputError, match=match):
        parse_recipe(recipe_dict | {"training": settings})


@pytest.mark.skipif(importlib.util.find_spec("liger_kernel") is not None, reason="liger-kernel is installed")
def test_a_missing_liger_kernel_is_named_before_the_run(recipe_dict):
    with pytest.raises(InputError, match=r"training.use_liger_kernel: .*gammapo\[liger\]"):
        parse_recipe(recipe_dict | {"training": {"use_liger_kernel": True}})


def test_liger_leaves_norms_and_head_to_us_unless_told_otherwise(recipe_dict):
    made = make_arguments(parse_recipe(recipe_dict), {})
    assert made.liger_kernel_config == LIGER
    own = {"liger_kernel_config": {"rms_norm": True}}
    made = make_arguments(parse_recipe(recipe_dict | {"training": own}), {})
    assert made.liger_kernel_config == {"rms_norm": True}


def test_switches_and_whole_numbers_are_of_their_own_type(recipe_dict):
    settings = {"bf16": "off", "max_steps": 1e1, "run_name": 2026, "adam_beta1": 0.8}
    recipe = parse_recipe(recipe_dict | {"training": settings})
    taken = recipe.training.model_extra or {}
    assert taken == {"bf16": False, "max_steps": 10, "run_name": "2026", "adam_beta1": 0.8}
    assert type(taken["max_steps"]) is int
    assert yaml.safe_load(recipe.as_yaml())["training"]["max_steps"] == 10


@pytest.mark.parametrize(
    "settings",
    [
        {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}},
        {"optim": "paged_adamw_8bit"},  # of a package that may be missing here
        {"tf32": True, "bf16": True, "fsdp": "full_shard"},  # of a machine that this need not be
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
    ],
    ids=str,
)
def test_what_another_machine_can_do_is_no_fault_of_the_recipe(recipe_dict, settings):
    assert parse_recipe(recipe_dict | {"training": settings}).training.model_extra


def test_reading_a_recipe_joins_no_processes(recipe_dict, monkeypatch):
    from accelerate import PartialState

    monkeypatch.setattr(PartialState, "__init__", lambda *args, **options: pytest.fail("a device is taken"))
    parse_recipe(recipe_dict | {"training": {"optim": "sgd"}})
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setitem(os.environ, name, value)
    parse_recipe(recipe_dict | {"training": {"optim": "sgd"}})
    with pytest.raises(InputError, match=r"training\.bf16"):
        parse_recipe(recipe_dict | {"training": {"bf16": "maybe"}})


def test_the_runs_own_arguments(recipe_dict):
    args = make_arguments(parse_recipe(recipe_dict), {"bf16": False})
    assert (args.per_device_train_batch_size, args.learning_rate, args.warmup_steps) == (1, 1e-3, 0.1)
    assert args.output_dir == recipe_dict["output"]


def test_what_this_machine_cannot_do_is_said_when_it_should(recipe_dict):
    recipe_dict["training"]["deepspeed"] = "nowhere.json"
    with pytest.raises(InputError, match="training: these settings cannot be trained with here"):
        make_arguments(parse_recipe(recipe_dict), {})
