"""What transformers is handed: refused by name before a run begins, or taken as it is meant."""

import importlib.util
import os
from types import SimpleNamespace

import pytest
import torch
import yaml

from gammapo.errors import InputError
from gammapo.training import arguments, parse_recipe
from gammapo.training.arguments import LIGER, make_arguments, warmup_steps


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
        ({"torch_compile": True}, "training.torch_compile: cannot be taken: .*shared prompts"),
        ({"save_steps": 2.5}, "training.save_steps: got 2.5: .*must be an integer"),
        ({"save_strategy": "foo"}, "training.save_strategy: got 'foo'"),
        ({"warmup_steps": -1}, "training.warmup_steps: got -1"),
        (
            {"eval_strategy": "epoch"},
            "training.eval_strategy: got 'epoch': a run has no pairs to evaluate on",
        ),
        ({"save_only_model": True}, "training.save_only_model: cannot be taken: .*gone on from"),
        ({"ignore_data_skip": True}, "training.ignore_data_skip: cannot be taken"),
        ({"label_smoothing_factor": 0.4}, "training.label_smoothing_factor: .*cDPO"),
        ({"data_seed": 3}, "training.data_seed: .*training.seed"),
        ({"remove_unused_columns": True}, "training.remove_unused_columns: .*no columns. .*remove the key"),
        ({"fp16": True}, "training.fp16: cannot be taken: .*scaled loss"),
        ({"push_to_hub": True}, "training.push_to_hub: .*gammapo export"),
        ({"resume_from_checkpoint": "here"}, "training.resume_from_checkpoint: .*newest whole checkpoint"),
        ({"auto_find_batch_size": True}, "training.auto_find_batch_size: .*tokens_per_batch"),
        ({"include_num_input_tokens_seen": True}, "training.include_num_input_tokens_seen: .*tokens_per_s"),
        ({"per_device_eval_batch_size": 4}, "training.per_device_eval_batch_size: .*no pairs to evaluate on"),
        ({"save_strategy": "best"}, "training.save_strategy: got 'best': .*no checkpoint would ever be"),
        ({"warmup_steps": 9, "warmup_ratio": 0.2}, "training.warmup_ratio: got 0.2, which warmup_steps"),
        (
            {"lr_scheduler_type": "constant", "warmup_ratio": 0.2},
            "training.warmup_ratio: got 0.2, .*=constant .*constant_with_warmup",
        ),
        (
            {"lr_scheduler_type": "constant", "warmup_steps": 9},
            "training.warmup_steps: .*=constant has no warm-up",
        ),
        ({"sample_every": 3, "logging_strategy": "epoch"}, "training.sample_every: .*'epoch'"),
        # what only the optimiser or the schedule looks at
        ({"adam_beta1": 1.5}, "training.adam_beta1: got 1.5: Invalid beta"),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, "training.lr_scheduler_type: .*min_lr"),
        ({"lr_scheduler_kwargs": {"foo": 1}}, "training.lr_scheduler_kwargs: .*'foo'"),
        ({"optim_args": "foo"}, "training.optim_args: got 'foo'"),
        ({"optim": "galore_adamw_layerwise"}, "training.optim: galore.* within each backward pass"),
        ({"optim": "adalomo"}, "training.optim: adalomo cannot be taken: .*such as adamw_torch"),
        ({"optim": "schedule_free_adamw"}, "training.optim: schedule.* other weights than it is to save"),
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


def test_what_is_off_does_no_harm(recipe_dict):
    off = {"fp16": False, "push_to_hub": False, "resume_from_checkpoint": None, "do_eval": False}
    assert make_arguments(parse_recipe(recipe_dict | {"training": off}), {}).fp16 is False


def test_an_unknown_key_is_told_each_key_that_could_be_meant_once(recipe_dict):
    with pytest.raises(InputError, match="unknown key 'zzz'") as caught:
        parse_recipe(recipe_dict | {"training": {"zzz": 1}})
    named = (caught.value.expected or "").removeprefix("one of ").split(", ")
    assert len(named) == len(set(named))
    assert {"learning_rate", "pairs_per_step", "optim"} <= set(named)
    assert not {"output_dir", "data_seed"} & set(named), "these would be refused as well"


@pytest.mark.parametrize(
    ("settings", "ratio", "steps"),
    [
        ({"warmup_steps": 7}, 0.0, 7),
        ({"warmup_steps": 0}, 0.0, 0),
        ({"warmup_ratio": 0.25}, 0.25, 5),
        ({"lr_scheduler_type": "constant"}, 0.0, 0),
    ],
    ids=str,
)
def test_the_recipe_tells_the_warm_up_that_is_run(recipe_dict, settings, ratio, steps):
    """Also once it is written out with every default, and read again."""
    recipe = parse_recipe(recipe_dict | {"training": settings})
    again = parse_recipe(yaml.safe_load(recipe.as_yaml()))
    for one in (recipe, again):
        assert one.training.warmup_ratio == ratio
        assert warmup_steps(one.training, 20) == make_arguments(one, {}).get_warmup_steps(20) == steps


@pytest.mark.parametrize(
    ("optim", "error", "raised"),
    [
        ("galore_adamw", ValueError("You need to pass a model to initialize GaLore optimizer."), None),
        ("grokadamw", ValueError("Please install grokadamw"), ImportError),  # may train elsewhere
        ("adamw_bnb_8bit", ValueError("Invalid eps"), ValueError),
        ("adamw_bnb_8bit", OSError("cannot be opened"), OSError),
    ],
    ids=str,
)
def test_only_the_want_of_a_model_is_no_fault_of_an_optimiser(monkeypatch, optim, error, raised):
    from transformers import Trainer, TrainingArguments

    def refuse(*_):
        raise error

    monkeypatch.setattr(Trainer, "get_optimizer_cls_and_kwargs", refuse)
    args = TrainingArguments("out", use_cpu=True, optim=optim, learning_rate=0.5)
    if raised is None:
        assert arguments._optimiser(args) == (torch.optim.SGD, {"lr": 0.5})
    else:
        with pytest.raises(raised, match=str(error)):
            arguments._optimiser(args)


def test_one_process_takes_one_gpu_and_says_so(caplog):
    """transformers would wrap the model in DataParallel, which cuts the one row of packed pairs."""
    args = SimpleNamespace(n_gpu=4, _n_gpu=4)
    arguments._take_one_gpu(args)
    assert args._n_gpu == 1
    assert "4 GPUs are visible" in caplog.text


@pytest.mark.skipif(importlib.util.find_spec("optimi") is not None, reason="torch-optimi is installed")
def test_an_optimiser_whose_package_is_missing_is_named_before_the_run(recipe_dict):
    recipe = parse_recipe(recipe_dict | {"training": {"optim": "stable_adamw"}})  # may train elsewhere
    with pytest.raises(InputError, match="cannot be trained with here: .*torch-optimi"):
        make_arguments(recipe, {})
