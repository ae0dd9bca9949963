"""Adapters over a frozen base of 4 bits, with the real bitsandbytes where it is installed."""

import importlib.util
import warnings

import pytest
import torch
from tests.conftest import make_tiny_model
from tests.training.test_run import metrics, weights

from gammapo import logps, models
from gammapo.errors import MissingExtraError
from gammapo.training import parse_recipe, train
from gammapo.training.run import _load_model

QLORA = {"lora": {"rank": 2, "base": "4bit"}}


@pytest.fixture
def wide_recipe(recipe_dict, tiny_tokenizer, tmp_path):
    """A tiny model whose rows fill at least one block of 64 weights, as the 4-bit kernels want it."""
    folder = tmp_path / "wide"
    make_tiny_model(len(tiny_tokenizer), hidden_size=64, intermediate_size=128).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    training = recipe_dict["training"] | {"learning_rate": 1e-2}
    return recipe_dict | QLORA | {"model": {"path": str(folder)}, "training": training}


def test_without_bitsandbytes_the_extra_is_named(recipe_dict, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "bitsandbytes" else found(name, *a)
    )
    with pytest.raises(MissingExtraError, match=r"gammapo\[qlora\]"):
        train(parse_recipe(recipe_dict | QLORA))


def test_a_run_over_4_bits_trains_float32_adapters(wide_recipe):
    pytest.importorskip("bitsandbytes")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*autograd kernel was not registered.*")
        result = train(parse_recipe(wide_recipe))
    rows = metrics(result.folder)
    assert rows[-1]["reward_gap"] > rows[0]["reward_gap"]
    assert models.is_adapter(result.model)
    assert {value.dtype for value in weights(result.folder).values()} == {torch.float32}


def test_the_shared_path_is_taken_over_4_bits_and_agrees_with_the_padded(wide_recipe):
    pytest.importorskip("bitsandbytes")
    from tests.training.conftest import make_pairs

    model = _load_model(parse_recipe(wide_recipe), "float32")
    kinds = {type(parameter).__name__ for parameter in model.parameters()}
    assert "Params4bit" in kinds
    pairs = make_pairs(5)
    shared = logps.pair_logps(model, pairs, path="shared")
    padded = logps.pair_logps(model, pairs, path="padded")
    torch.testing.assert_close(shared.chosen, padded.chosen, rtol=1e-4, atol=1e-4)
    shared.chosen.sum().backward()
    trained = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert trained
    assert all("lora_" in name for name in trained)
