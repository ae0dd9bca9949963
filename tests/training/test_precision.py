"""Weights that are trained, and their moments, are float32 whatever type computes."""

import logging
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tests.training.test_run import weights

from gammapo import models
from gammapo.errors import InputError, RunError
from gammapo.training import checkpoints, parse_recipe, precision, run, train, trainer
from gammapo.training.precision import check_masters, decide, keep_sums_wide, loss_scale
from gammapo.training.trainer import read_rows


def moments(folder: Path) -> set[torch.dtype]:
    checkpoint = checkpoints.last_good(folder)
    assert checkpoint is not None
    state = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"]
    return {one[key].dtype for one in state.values() for key in ("exp_avg", "exp_avg_sq")}


def test_bfloat16_arithmetic_over_float32_masters(recipe_dict, monkeypatch):
    """The learning rate is below what a bfloat16 weight could take up; the run must learn all the same."""
    seen, real = [], models.load_model

    def watched(path, **options):
        model = real(path, **options)
        for part in (model.model.layers[1].self_attn.q_proj, model.model.layers[0].mlp.down_proj):
            part.register_forward_hook(lambda m, args, out: seen.append(out.dtype))
        return model

    monkeypatch.setattr(models, "load_model", watched)
    recipe_dict["model"]["dtype"] = "bfloat16"
    recipe_dict["training"] |= {"learning_rate": 1e-6}
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*reads prompts twice.*")  # rounding is no reason to pad
        result = train(parse_recipe(recipe_dict))
    assert set(seen) == {torch.bfloat16}
    monkeypatch.undo()
    after, before = weights(result.folder), models.load_model(recipe_dict["model"]["path"]).state_dict()
    assert {value.dtype for value in after.values()} == {torch.float32}
    assert moments(result.folder) == {torch.float32}
    moved = {name: (value - before[name]).abs().max().item() for name, value in after.items()}
    assert all(0 < distance < 1e-4 for distance in moved.values()), moved


def test_pure_half_precision_only_when_asked_and_aloud(recipe_dict):
    recipe_dict["model"] |= {"dtype": "bfloat16", "masters": "dtype"}
    said = []
    result = train(parse_recipe(recipe_dict), say=said.append)
    assert any(line.startswith("pure bfloat16 training") for line in said)
    assert {value.dtype for value in weights(result.folder).values()} == {torch.bfloat16}
    assert moments(result.folder) == {torch.bfloat16}


def test_adapters_are_float32_over_a_frozen_bfloat16_base(recipe_dict):
    recipe_dict["model"]["dtype"] = "bfloat16"
    result = train(parse_recipe(recipe_dict | {"lora": {"rank": 2}}))
    assert {value.dtype for value in weights(result.folder).values()} == {torch.float32}
    assert moments(result.folder) == {torch.float32}


def test_masters_of_another_type_stop_the_run_before_the_first_step(recipe_dict, monkeypatch):
    real = models.load_model
    monkeypatch.setattr(models, "load_model", lambda path, **options: real(path, dtype="bfloat16"))
    with pytest.raises(RunError, match=r"trained weights in other types than float32 \(first: model\.embed"):
        train(parse_recipe(recipe_dict))
    assert not (Path(recipe_dict["output"]) / "metrics.jsonl").exists()


def test_moments_of_another_type_are_named():
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight])
    optimizer.state[weight] = {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3, dtype=torch.bfloat16)}
    with pytest.raises(RunError, match="exp_avg of w in bfloat16, expected float32"):
        check_masters({id(weight): "w"}, optimizer, "float32")
    optimizer.state[weight]["exp_avg"] = torch.zeros(3)
    check_masters({id(weight): "w"}, optimizer, "float32")


def test_the_partitions_that_zero_3_keeps_beside_its_empty_groups_are_checked():
    zero = SimpleNamespace(fp32_partitioned_groups_flat=[torch.zeros(4, dtype=torch.bfloat16)])
    held = SimpleNamespace(param_groups=[{"params": []}], optimizer=zero, state={})
    with pytest.raises(RunError, match="1 of 1 trained weights in other types than float32"):
        check_masters({}, held, "float32")
    check_masters({}, held, "bfloat16")  # asked for on purpose; DeepSpeed may keep better ones
    zero.fp32_partitioned_groups_flat = [torch.zeros(4)]
    check_masters({}, held, "float32")


def test_fsdp2_rounds_neither_log_probs_nor_sums_of_gradients():
    from accelerate.utils import FullyShardedDataParallelPlugin

    plugin = FullyShardedDataParallelPlugin(fsdp_version=2)
    keep_sums_wide(SimpleNamespace(fsdp_plugin=plugin))
    assert plugin.mixed_precision_policy is None, "without mixed precision there is nothing to mend"
    plugin.set_mixed_precision("bf16")
    keep_sums_wide(SimpleNamespace(fsdp_plugin=plugin))
    policy = plugin.mixed_precision_policy
    assert (policy.param_dtype, policy.reduce_dtype) == (torch.bfloat16, torch.float32)
    assert policy.output_dtype is None


def test_deepspeed_sums_gradients_in_float32_unless_its_own_file_says_otherwise():
    config = {"communication_data_type": "bf16"}
    plugin = SimpleNamespace(hf_ds_config=SimpleNamespace(config=config))
    keep_sums_wide(SimpleNamespace(deepspeed_plugin=plugin))
    assert config == {"communication_data_type": "bf16", "data_types": {"grad_accum_dtype": "fp32"}}


def test_a_run_launched_in_bfloat16_says_so_too(recipe_dict):
    """DeepSpeed's plug-in takes the launcher's word, and refuses arguments that differ."""
    for masters, more in (("float32", {"lora": {}}), ("dtype", {})):
        model = recipe_dict["model"] | {"dtype": "bfloat16", "masters": masters}
        recipe = parse_recipe(recipe_dict | more | {"model": model})
        found = decide(recipe, gpu_has_bfloat16=True, launched_in="bf16")
        assert found.arguments == {"bf16": True}


@pytest.mark.parametrize(
    ("model", "more", "gpu", "expected"),
    [
        ({}, {}, False, ("float32", {"bf16": False}, "float32")),
        ({}, {}, True, ("float32", {"bf16": True}, "float32")),
        ({}, {"training": {"bf16": False}}, True, ("float32", {}, "float32")),
        ({"dtype": "bfloat16"}, {}, False, ("float32", {"bf16": True}, "float32")),
        ({"dtype": "bfloat16"}, {"lora": {}}, True, ("bfloat16", {"bf16": False}, "float32")),
        (
            {"dtype": "bfloat16"},
            {"lora": {"base": "4bit"}},
            True,
            ("bfloat16", {"bf16": True}, "float32"),
        ),
        ({"dtype": "bfloat16", "masters": "dtype"}, {}, True, ("bfloat16", {}, "bfloat16")),
    ],
)
def test_decisions(recipe_dict, model, more, gpu, expected):
    recipe = parse_recipe(recipe_dict | more | {"model": recipe_dict["model"] | model})
    found = decide(recipe, gpu_has_bfloat16=gpu)
    assert (found.load, found.arguments, found.masters) == expected


@pytest.mark.parametrize("masters", ["float32", "dtype"])
def test_float16_is_refused_for_whole_models(recipe_dict, masters):
    """In pure float16 AdamW's squares of gradients below 2e-4 are 0, and steps are divided by that."""
    recipe_dict["model"] |= {"dtype": "float16", "masters": masters}
    with pytest.raises(InputError, match="model.dtype: full fine-tuning .* scaled loss.*lora section"):
        train(parse_recipe(recipe_dict))


def test_nothing_is_logged_of_precision_by_default(recipe_dict, caplog):
    with caplog.at_level(logging.INFO):
        train(parse_recipe(recipe_dict))
    assert "pure" not in caplog.text


@pytest.mark.parametrize(
    ("model", "more", "bf16"),
    [
        ({"dtype": "bfloat16"}, {}, False),
        ({"dtype": "float16"}, {"lora": {}}, True),
        ({"dtype": "float16", "masters": "dtype"}, {}, True),
    ],
)
def test_two_types_of_arithmetic_at_once_are_refused(recipe_dict, model, more, bf16):
    given = {"model": recipe_dict["model"] | model, "training": {"bf16": bf16}}
    with pytest.raises(InputError, match=f"training.bf16: is {str(bf16).lower()}, and model.dtype=.*float32"):
        decide(parse_recipe(recipe_dict | more | given), gpu_has_bfloat16=True)


def test_a_launcher_that_computes_in_float16_is_refused_where_it_would_have_its_way(recipe_dict):
    recipe = parse_recipe(recipe_dict)
    with pytest.raises(InputError, match=r"mixed_precision: .*scaled loss.*--mixed_precision no"):
        decide(recipe, gpu_has_bfloat16=False, launched_in="fp16")
    assert decide(recipe, gpu_has_bfloat16=True, launched_in="fp16").arguments == {"bf16": True}


def test_a_scale_is_a_power_of_two_over_the_pairs_of_a_step():
    assert [loss_scale(pairs) for pairs in (1, 5, 128)] == [16, 128, 2048]


def gradient_norms(recipe_dict, name, **model):
    content = recipe_dict | {
        "model": recipe_dict["model"] | model,
        "lora": {"rank": 2},
        "loss": {"name": "simpo", "beta": 2e-6},  # small gradients
        "output": f"{recipe_dict['output']}-{name}",
    }
    folder = train(parse_recipe(content)).folder
    return weights(folder), [row["grad_norm"] for row in read_rows(folder / "metrics.jsonl")]


def test_float16_under_adapters_loses_no_small_gradients(recipe_dict, monkeypatch):
    recipe_dict["training"] |= {"max_steps": 1}
    _, (expected,) = gradient_norms(recipe_dict, "float32")
    _, (scaled,) = gradient_norms(recipe_dict, "scaled", dtype="float16")
    monkeypatch.setattr(trainer, "loss_scale", lambda pairs: 1.0)
    _, (unscaled,) = gradient_norms(recipe_dict, "unscaled", dtype="float16")
    assert scaled == pytest.approx(expected, rel=0.02)
    assert unscaled != pytest.approx(expected, rel=0.1)


def test_a_scale_changes_no_gradient_that_was_not_lost(recipe_dict, monkeypatch):
    plain, norms = gradient_norms(recipe_dict, "plain")
    real = precision.decide
    monkeypatch.setattr(precision, "decide", lambda *a, **k: replace(real(*a, **k), scaled=True))
    scaled, same = gradient_norms(recipe_dict, "scaled")
    assert norms == same
    assert all(torch.equal(plain[name], scaled[name]) for name in plain)


@pytest.mark.parametrize(
    ("emulated", "use_cpu", "expected"), [(True, False, False), (False, False, True), (False, True, False)]
)
def test_a_gpu_that_emulates_bfloat16_computes_in_float32(
    recipe_dict, monkeypatch, emulated, use_cpu, expected
):
    """A T4, say, for which PyTorch counts emulation too unless it is told not to."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or not emulated
    )
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    recipe = parse_recipe(recipe_dict | {"training": {"use_cpu": use_cpu}})
    assert run._decide_precision(recipe).arguments == {"bf16": expected}
