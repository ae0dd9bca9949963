"""Configs as SimPO's, γ-PO's and TRL's users have them; expectations read off those trainers' code."""

import pytest
import yaml
from typer.testing import CliRunner

from gammapo import losses
from gammapo.cli.app import app
from gammapo.errors import InputError
from gammapo.integrations.configs import tell_kind
from gammapo.training import load_recipe

COMMON = {
    "model_name_or_path": "some/model",
    "torch_dtype": None,
    "dataset_mixer": {"some/pairs": 1.0},
    "dataset_splits": ["train", "test"],
    "bf16": True,
    "beta": 2.5,
    "gradient_accumulation_steps": 16,
    "per_device_train_batch_size": 2,
    "learning_rate": 1.0e-6,
    "lr_scheduler_type": "cosine",
    "max_length": 2048,
    "max_prompt_length": 1800,
    "num_train_epochs": 1,
    "optim": "adamw_torch",
    "output_dir": "outputs/x",
    "seed": 42,
    "warmup_ratio": 0.1,
    "report_to": ["wandb"],
    "hub_model_id": "simpo-exps",
}
TRL = {"model_name_or_path": "some/model", "dataset_name": "some/pairs"}


def objective(found):
    return losses.create(**found.recipe["loss"]).options


def test_simpo_ratio(read):
    found = read(COMMON | {"gamma_beta_ratio": 0.55})
    assert found.kind == "simpo"
    assert objective(found).target_margin == pytest.approx(0.55 * 2.5)
    assert found.recipe["training"]["pairs_per_step"] == 2 * 16 * 4
    assert found.recipe["data"] == {
        "path": "some/pairs",
        "split": "train",
        "max_length": 2048,
        "max_prompt_length": 1800,
    }
    assert "248 tokens" in " ".join(found.differences)


def test_simpos_first_version_had_an_absolute_gamma(read):
    found = read(COMMON | {"gamma": 0.3})
    assert objective(found).target_margin == 0.3
    assert "ratio γ/β of 0.12" in " ".join(found.differences)


def test_gammapo(read):
    theirs = COMMON | {"beta": 10, "gamma_beta_ratio": 0.3, "tau": 3, "trainer_type": "simpo"}
    found = read(theirs | {"loss_type": "gm-simpo", "length_norm": True, "flip": 0.2}, gpus=8)
    assert found.kind == "gammapo"
    assert (objective(found).target_margin, objective(found).tau) == (3.0, 3)
    assert found.recipe["training"]["pairs_per_step"] == 256
    assert found.recipe["noise"] == {"kind": "symmetric", "rate": 0.2, "seed": 42}
    said = " ".join(found.differences)
    assert "one coin for a whole micro-batch" in said
    assert "solved exactly" in said


def test_trls_hidden_cloning_term_is_kept_and_said(read):
    found = read(TRL | {"loss_type": "simpo", "beta": 2.0, "simpo_gamma": 0.5})
    assert (objective(found).target_margin, objective(found).alpha) == (0.5, 1.0)
    said = " ".join(found.differences)
    assert "hidden NLL term: cpo_alpha is not set, and its default is 1" in said
    assert "ratio γ/β of 0.25" in said
    without = read(TRL | {"loss_type": "simpo", "beta": 2.0, "cpo_alpha": 0.0})
    assert objective(without).alpha == 0


@pytest.mark.parametrize(
    ("theirs", "name"),
    [
        ({"loss_type": "sigmoid", "beta": 0.01}, "dpo"),
        ({"loss_type": ["ipo"]}, "ipo"),
        ({"loss_type": "robust", "label_smoothing": 0.1}, "rdpo"),
        ({"loss_type": "sigmoid", "cpo_alpha": 1.0}, "cpo"),
        ({"loss_type": "sppo_hard"}, "sppo_hard"),
        ({"loss_type": "sigmoid", "label_smoothing": 0.1}, "cdpo"),
        ({"loss_type": "alphapo", "beta": 2.0, "alpha": 0.1}, "alphapo"),
        ({"loss_type": "ipo", "label_smoothing": 0.1}, "ipo"),
    ],
)
def test_trl_losses(read, theirs, name):
    found = read(TRL | theirs)
    assert found.kind == "trl"
    assert losses.create(**found.recipe["loss"]).name == name


def test_trl_adapters_and_defaults(read):
    found = read(TRL | {"loss_type": "sigmoid", "use_peft": True, "lora_r": 8, "lora_alpha": 16})
    assert found.recipe["lora"]["rank"] == 8
    training = found.recipe["training"]
    assert (training["num_train_epochs"], training["learning_rate"]) == (3, 1e-6)


@pytest.mark.parametrize("kind", ["trl", "simpo"])
def test_dropout_of_adapters_is_off_unless_theirs_is_on(read, kind):
    base = TRL | {"beta": 2.0, "gamma_beta_ratio": 0.5} if kind == "simpo" else TRL | {"loss_type": "sigmoid"}
    for theirs in ({}, {"lora_dropout": 0.1}, {"disable_dropout": True}):
        found = read(base | {"use_peft": True} | theirs)
        assert found.recipe["lora"]["dropout"] == 0
        assert "disable_dropout (on unless set to false)" in " ".join(found.differences)
    for theirs, dropout in (({}, 0.05), ({"lora_dropout": 0.1}, 0.1)):
        found = read(base | {"use_peft": True, "disable_dropout": False} | theirs)
        assert found.recipe["lora"]["dropout"] == dropout
        assert "dropout" not in " ".join(found.differences)


@pytest.mark.parametrize(
    ("theirs", "said"),
    [
        (COMMON | {"loss_type": "b-simpo", "trainer_type": "simpo"}, "b-simpo"),
        (TRL | {"loss_type": ["sigmoid", "sft"]}, "one loss"),
        (COMMON | {"loss_type": "simpo", "trainer_type": "dpo"}, "simpo, with trainer_type dpo"),
        (COMMON | {"trainer_type": "simpo"}, "expected gm-simpo, simpo, cpo, orpo"),
        (COMMON, "--kind"),
        ({"gamma_beta_ratio": 0.5}, "theirs.yaml: model_name_or_path: no model"),
        (TRL | {"loss_type": {"sigmoid": 1}}, "loss_type"),
    ],
)
def test_what_cannot_be_read_is_said(read, theirs, said):
    with pytest.raises(InputError, match=said):
        read(theirs)


@pytest.mark.parametrize(
    ("theirs", "name", "option", "value"),
    [
        ({"loss_type": "simpo", "gamma_beta_ratio": 0.3, "label_smoothing": 0.1}, "simpo", "epsilon", 0.1),
        ({"loss_type": "simpo", "gamma_beta_ratio": 0.3, "sft_weight": 0.2}, "simpo", "alpha", 0.2),
        ({"loss_type": "cpo", "gamma_beta_ratio": 0.5}, "cpo", "alpha", 0.5),
        ({"loss_type": "orpo", "gamma_beta_ratio": 0.5}, "orpo", "lam", 0.5),
    ],
)
def test_gammapos_baselines(read, theirs, name, option, value):
    found = read(COMMON | {"trainer_type": "simpo"} | theirs)
    assert found.recipe["loss"]["name"] == name
    assert getattr(objective(found), option) == value


def test_what_their_loss_ignores_is_left_out_and_said(read):
    theirs = COMMON | {"trainer_type": "simpo", "loss_type": "gm-simpo", "gamma_beta_ratio": 0.3}
    found = read(theirs | {"label_smoothing": 0.1})
    assert "epsilon" not in found.recipe["loss"]
    assert "label_smoothing=0.1 is ignored by their trainer" in " ".join(found.differences)


def test_an_unknown_key_is_not_dropped_in_silence(read):
    assert "galore_rank" in " ".join(read(COMMON | {"gamma_beta_ratio": 0.5, "galore_rank": 4}).differences)


def test_a_key_that_this_objective_does_not_read_is_not_dropped_in_silence(read):
    """γ-PO's τ and a SimPO loss, SimPO's cloning weight and a DPO loss: read by others, and not here."""
    said = read(COMMON | {"gamma_beta_ratio": 0.5, "tau": 3, "gamma": 0.1}).differences
    assert {"tau=3 is not carried over", "gamma=0.1 is not carried over"} <= set(said)
    assert "sft_weight=0.2 is not carried over" in read(TRL | {"sft_weight": 0.2}).differences


# alignment-handbook's recipes/zephyr-7b-beta/dpo/config_full.yaml of 2024, and its ORPO config
ZEPHYR = {
    "model_name_or_path": "alignment-handbook/zephyr-7b-sft-full",
    "torch_dtype": None,
    "dataset_mixer": {"HuggingFaceH4/ultrafeedback_binarized": 1.0},
    "dataset_splits": ["train_prefs", "test_prefs"],
    "preprocessing_num_workers": 12,
    "bf16": True,
    "beta": 0.01,
    "do_eval": True,
    "eval_strategy": "steps",
    "eval_steps": 100,
    "gradient_accumulation_steps": 2,
    "hub_model_id": "zephyr-7b-dpo-full",
    "learning_rate": 5.0e-7,
    "lr_scheduler_type": "cosine",
    "max_length": 1024,
    "max_prompt_length": 512,
    "num_train_epochs": 1,
    "output_dir": "data/zephyr-7b-dpo-full",
    "per_device_train_batch_size": 8,
    "push_to_hub": True,
    "seed": 42,
    "warmup_ratio": 0.1,
}
ORPO = ZEPHYR | {"beta": 0.05, "hub_model_id": "zephyr-orpo-141b-A35b", "output_dir": "data/zephyr-orpo"}


def test_the_handbooks_dpo(read):
    found = read(ZEPHYR)
    assert found.kind == "trl"
    assert found.recipe["data"] == {
        "path": "HuggingFaceH4/ultrafeedback_binarized",
        "split": "train_prefs",
        "max_length": 1024,
        "max_prompt_length": 512,
    }
    assert found.recipe["loss"] == {"name": "dpo", "beta": 0.01}
    assert not [text for text in found.differences if "not carried over" in text]
    assert "for ORPOTrainer's config say --kind orpo" in " ".join(found.differences)


def test_the_handbooks_qlora(read):
    qlora = {"use_peft": True, "load_in_4bit": True, "lora_r": 128, "lora_alpha": 128}
    found = read(ZEPHYR | qlora)
    assert found.kind == "trl"
    assert found.recipe["data"]["max_prompt_length"] == 512
    assert {"rank": 128, "base": "4bit"}.items() <= found.recipe["lora"].items()
    assert "nf4 without nested quantisation there" in " ".join(found.differences)


@pytest.mark.parametrize("data", [{}, {"dataset_mixer": None, "dataset_name": "some/pairs"}])
def test_the_handbooks_orpo_is_no_dpo(read, data):
    found = read(ORPO | data)
    assert found.kind == "orpo"
    assert found.recipe["loss"] == {"name": "orpo", "lam": 0.05}
    assert "β" not in losses.create(**found.recipe["loss"]).objective
    assert "prompts and chosen answers" in " ".join(found.differences)


def test_kinds():
    assert tell_kind({"gamma_beta_ratio": 1}) == "simpo"
    assert tell_kind({"gamma_beta_ratio": 1, "trainer_type": "simpo"}) == "gammapo"
    assert tell_kind({"cpo_alpha": 1}) == "trl"
    assert tell_kind({"beta": 1}) is None


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        ({"dataset_mixture": {}, "beta": 0.1, "hub_model_id": "x-7b-DPO"}, "trl"),
        ({"dataset_mixture": {}, "beta": 0.1, "loss_type": "apo_zero"}, "trl"),
        ({"dataset_mixture": {}, "beta": 0.1}, None),
        ({"dataset_mixture": {}, "beta": 0.1, "output_dir": "orpo-on-dpo-mix-7k"}, None),
        ({"dataset_name": "x/y", "output_dir": "orpo"}, "orpo"),
        ({"dataset_mixer": {}, "use_peft": True, "hub_model_id": "zephyr-7b-sft-qlora"}, None),
        ({"dataset_mixer": {}, "hub_model_id": "x-cdpo", "beta": 0.1}, None),
        ({"dataset_mixer": {}, "gamma_beta_ratio": 0.5, "output_dir": "vs-dpo"}, "simpo"),
    ],
)
def test_kinds_that_the_names_of_runs_tell(theirs, kind):
    assert tell_kind(theirs) == kind


def test_command_writes_a_recipe_that_loads(tmp_path):
    path = tmp_path / "theirs.yaml"
    path.write_text(yaml.safe_dump(COMMON | {"gamma_beta_ratio": 0.55}))
    out = tmp_path / "recipe.yaml"
    done = CliRunner().invoke(app, ["import-recipe", str(path), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert load_recipe(out).loss == {"name": "simpo", "beta": 2.5, "gamma_beta_ratio": 0.55}
    again = CliRunner().invoke(app, ["import-recipe", str(path), "-o", str(out)])
    assert "already exists" in str(again.exception)


def test_float16_is_said_and_not_handed_on(read):
    """A scaled loss is not done here, and transformers refuses it beside the bfloat16 of a GPU."""
    found = read(TRL | {"loss_type": "ipo", "fp16": True, "bf16": False})
    assert not {"fp16", "bf16"} & found.recipe["training"].keys()
    assert "fp16: float16 needs a scaled loss" in " ".join(found.differences)


@pytest.mark.parametrize(
    ("theirs", "expected", "said"),
    [
        ({"warmup_steps": 20, "warmup_ratio": 0.1}, (20, 0.0), "warmup_ratio=0.1 is without effect"),
        ({"warmup_steps": 0, "warmup_ratio": 0.1}, (None, 0.1), ""),
        (
            {"lr_scheduler_type": "constant", "warmup_ratio": 0.1},
            (None, 0.0),
            "the warm-up is without effect",
        ),
    ],
    ids=str,
)
def test_the_warm_up_is_theirs(read, theirs, expected, said):
    found = read(COMMON | {"gamma_beta_ratio": 0.4} | theirs)
    assert found.checked is not None
    training = found.recipe["training"]
    assert (training.get("warmup_steps"), training["warmup_ratio"]) == expected
    assert said in " ".join(found.differences)


def test_the_options_of_a_schedule_are_kept(read):
    theirs = {"lr_scheduler_type": "cosine_with_min_lr", "lr_scheduler_kwargs": {"min_lr_rate": 0.1}}
    found = read(COMMON | {"gamma_beta_ratio": 0.4} | theirs)
    assert found.recipe["training"]["lr_scheduler_kwargs"] == {"min_lr_rate": 0.1}
