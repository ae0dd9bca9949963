"""A finished run as one folder that plain transformers loads, with its card; adapters merged or kept."""

import json
from pathlib import Path

import pytest
import torch
import yaml
from tests.training.conftest import pair_file, recipe_dict  # noqa: F401

from gammapo.errors import InputError
from gammapo.models import is_adapter, load_model
from gammapo.training import parse_recipe, train
from gammapo.workspace.card import model_card
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
    base = Path(note["recipe"]["model"]["path"])
    assert str(base.parent) not in card, "places on someone's machine are no one's business"
    assert f"path: {base.name}\n" in body


def test_front_matter_names_a_base_of_the_hub_and_no_folder(adapted, monkeypatch):
    def front(base, loss="simpo"):
        note = json.loads((adapted / "run.json").read_text())
        note["recipe"]["model"]["path"], note["recipe"]["loss"]["name"] = base, loss
        (adapted / "run.json").write_text(json.dumps(note))
        return yaml.safe_load(model_card(adapted).split("---")[1])

    assert front("Qwen/Qwen2.5-7B-Instruct")["base_model"] == "Qwen/Qwen2.5-7B-Instruct"
    assert front("smollm2")["base_model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    monkeypatch.chdir(adapted.parent)
    for folder in (f"{adapted.name}/model", "runs/base/model", str(adapted / "model")):
        assert "base_model" not in front(folder)
    assert front("a/b", "gammapo")["tags"] == ["gammapo", "preference-optimization"]
    monkeypatch.chdir(adapted)
    assert f"# {adapted.name}\n" in model_card(Path())


def test_what_cannot_be_exported(adapted, tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        export_model(tmp_path, tmp_path / "m")
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        export_model(adapted, tmp_path / "m")
    assert (tmp_path / "m" / "mine.txt").is_file()


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_run_itself_is_never_the_target(adapted, tmp_path):
    before = contents(adapted)
    (tmp_path / "link").symlink_to(adapted / "model")
    inside = (adapted, adapted / "model", adapted / "export", adapted.parent, tmp_path / "link")
    for target in inside:
        with pytest.raises(InputError, match="is, contains or lies inside the run"):
            export_model(adapted, target, overwrite=True)
    base = Path(json.loads((adapted / "run.json").read_text())["recipe"]["model"]["path"])
    with pytest.raises(InputError, match="is the base model"):
        export_model(adapted, base, overwrite=True)
    assert contents(adapted) == before
    assert (base / "model.safetensors").is_file()


def test_overwrite_replaces_an_earlier_export_and_nothing_else(adapted, tmp_path):
    target = export_model(adapted, tmp_path / "m")
    assert not (target / "model.safetensors").exists()
    (tmp_path / "link").symlink_to(target)
    assert export_model(adapted, tmp_path / "link", merge=True, overwrite=True).is_symlink()
    assert (target / "model.safetensors").is_file()
    assert not is_adapter(target)
    assert not list(tmp_path.glob(".*"))

    models = tmp_path / "models"
    export_model(adapted, models / "sub")
    for path, said in (
        (models / "notes.txt", "no model card"),  # a folder of models and other files
        (target / "notes.txt", "it holds notes.txt"),  # an export with something of the user's in it
    ):
        path.write_text("mine")
        before = contents(path.parent)
        with pytest.raises(InputError, match=f"is no earlier export: .*{said}"):
            export_model(adapted, path.parent, overwrite=True)
        assert contents(path.parent) == before
    (target / "notes.txt").unlink()
    (target / "config.json").unlink()
    with pytest.raises(InputError, match="it has no config.json or adapter_config.json"):
        export_model(adapted, target, overwrite=True)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        export_model(adapted, tmp_path / "file", overwrite=True)


def test_a_failed_export_leaves_the_earlier_one(adapted, tmp_path):
    target = export_model(adapted, tmp_path / "m", merge=True)
    before = contents(target)
    with pytest.raises(InputError, match="dtype: got 'bf16'"):
        export_model(adapted, target, merge=True, dtype="bf16", overwrite=True)
    (adapted / "metrics.jsonl").unlink()  # which the card needs, once the model is written
    with pytest.raises(FileNotFoundError):
        export_model(adapted, target, merge=True, overwrite=True)
    assert contents(target) == before
    assert not list(tmp_path.glob(".*"))


def test_metrics_with_unicode_line_ends_are_read(adapted, tmp_path):
    path = adapted / "metrics.jsonl"
    rows = [json.loads(line) | {"note": "a\u2028b"} for line in path.read_text().split("\n") if line]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert "| accuracy |" in (export_model(adapted, tmp_path / "m") / "README.md").read_text()
