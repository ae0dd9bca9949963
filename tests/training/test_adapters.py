"""Adapters on the model's shape: what they name must be there, and no weights are read to tell."""

import copy
import json
import shutil

import pytest
import torch

from gammapo.errors import InputError
from gammapo.training.adapters import add_adapters, check_targets
from gammapo.training.recipe import LoraSection


def section(**given):
    return LoraSection.model_validate(given)


@pytest.mark.parametrize("targets", ["q_proj", ["foo"], "[", ["norm"], []])
def test_what_the_model_has_not_is_refused(tiny_model_dir, tiny_model, targets):
    # one pattern must match a whole name, so "q_proj" by itself matches none
    with pytest.raises(InputError, match=r"lora\.target_modules: cannot be adapted") as caught:
        check_targets(str(tiny_model_dir), section(target_modules=targets))
    assert "[q_proj, v_proj]" in str(caught.value)
    with pytest.raises(InputError, match=r"lora\.target_modules: cannot be adapted"):
        add_adapters(tiny_model, section(target_modules=targets), seed=0)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"], r".*\.(q|v)_proj"])
def test_what_it_has_is_taken_and_needs_only_the_config(tiny_model_dir, tmp_path, targets):
    shutil.copy(tiny_model_dir / "config.json", tmp_path)
    before = torch.get_rng_state()
    check_targets(str(tmp_path), section(target_modules=targets))
    assert torch.equal(torch.get_rng_state(), before), "reading a recipe draws no numbers"


@pytest.mark.parametrize("path", ["nobody/nothing", "/nowhere/at/all"])
def test_a_model_that_is_not_here_is_left_to_the_loader(path):
    check_targets(path, section(target_modules=["foo"]))


@pytest.mark.parametrize("part", ["lm_head", "embed_tokens"])
def test_a_weight_that_embedding_and_head_share_is_not_adapted(tiny_model, part):
    """Merged into one, it would change the other too, and the saved model would not be the trained one."""
    assert tiny_model.get_output_embeddings().weight is not tiny_model.get_input_embeddings().weight
    add_adapters(copy.deepcopy(tiny_model), section(target_modules=["q_proj", part]), seed=0)
    tied = copy.deepcopy(tiny_model)
    tied.get_output_embeddings().weight = tied.get_input_embeddings().weight
    with pytest.raises(InputError, match="share one weight"):
        add_adapters(tied, section(target_modules=["q_proj", part]), seed=0)


def test_code_beside_a_model_is_neither_run_nor_asked_about(tmp_path, monkeypatch):
    """The loader refuses it a moment later."""
    maps = {"AutoConfig": "code.Config", "AutoModelForCausalLM": "code.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "strange", "auto_map": maps}))
    (tmp_path / "code.py").write_text("raise SystemExit('code was run')")
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked at the terminal"))
    check_targets(str(tmp_path), section(target_modules=["foo"]))
