"""A finished run as one folder that plain transformers loads, with its card; adapters merged or kept."""

import json

import pytest
import torch
import yaml
from tests.training.conftest import pair_file, recipe_dict  # noqa: F401

from gammapo.errors import InputError
from gammapo.models import is_adapter, load_model
from gammapo.training import parse_recipe, train
from gammapo.workspace.export import export_model

LORA = {"rank": 2, "alpha": 4}


@pytest.fixture
def adapted(recipe_dict):  # noqa: F811
    recipe = recipe_dict | {"lora": LORA, "noise": {"kind": "symmetric", "rate": 0.25, "seed": 1}}
    recipe["training"] = recipe["training"] | {"learning_rate": 0.05}
    return train(parse_recipe(recipe)).folder


def test_merged_adapters_are_the_same_model_in_plain_transformers(adapted, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    target = export_model(adapted, tmp_path / "m", merge=True, dtype="float32", licence="apache-2.0")
    plain = AutoModelForCausalLM.from_pretrained(target)
    base = load_model(json.loads((adapted / "run.json").read_text())["recipe"]["model"]["path"])
    ids = torch.tensor([[1, 20, 30, 40]])
    with torch.no_grad():
        merged, wanted, before = (m(ids).logits for m in (plain, load_model(adapted / "model"), base))
    assert torch.allclose(merged, wanted, atol=1e-5)
    assert not torch.allclose(merged, before, atol=1e-3)
    assert AutoTokenizer.from_pretrained(target).chat_template
    assert (target / "model.safetensors").is_file()


def test_an_adapter_stays_one_unless_asked(adapted, tmp_path):
    target = export_model(adapted, tmp_path / "m")
    assert is_adapter(target)


def test_card(adapted, tmp_path):
    card = (export_model(adapted, tmp_path / "m", licence="apache-2.0") / "README.md").read_text()
    _, front, body = card.split("---", 2)
    assert yaml.safe_load(front)["license"] == "apache-2.0"
    note = json.loads((adapted / "run.json").read_text())
    for part in (note["data_fingerprint"], note["objective"], "symmetric, rate 0.25", "rank: 2", "torch "):
        assert part in body
    assert "| accuracy |" in body


def test_what_cannot_be_exported(adapted, tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        export_model(tmp_path, tmp_path / "m")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        export_model(adapted, tmp_path / "m")
    assert (tmp_path / "m" / "mine.txt").is_file()
