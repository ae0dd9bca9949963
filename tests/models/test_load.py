import json

import pytest
import torch

from gammapo import models
from gammapo.errors import InputError


def test_folder_round_trip(tiny_model_dir, tiny_model):
    loaded = models.load_model(tiny_model_dir)
    ids = torch.tensor([[1, 5, 7, 9]])
    assert torch.equal(loaded(ids).logits, tiny_model(ids).logits)
    assert models.load_tokenizer(tiny_model_dir).chat_template


def test_adapter_is_merged_into_its_base(tiny_model_dir, tmp_path):
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(models.load_model(tiny_model_dir), LoraConfig(r=2, init_lora_weights=False))
    tuned.save_pretrained(tmp_path / "adapter")
    ids = torch.tensor([[1, 5, 7, 9]])
    expected = tuned.eval()(ids).logits
    merged = models.load_model(tmp_path / "adapter")
    assert torch.allclose(merged(ids).logits, expected, atol=1e-5)
    assert not torch.allclose(models.load_model(tiny_model_dir)(ids).logits, expected, atol=1e-3)


@pytest.mark.parametrize("make", [lambda folder: folder, lambda folder: folder / "absent"])
def test_a_folder_that_is_no_model(tmp_path, make):
    with pytest.raises(InputError, match="model"):
        models.load_model(make(tmp_path))


def test_a_folder_without_tokenizer_files_is_refused(tiny_model_dir, tmp_path):
    """transformers would make a tokenizer of special tokens only, for which every text is empty."""
    config = json.loads((tiny_model_dir / "config.json").read_text()) | {"model_type": "qwen2"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="save the tokenizer into the model's folder"):
        models.load_tokenizer(tmp_path)


def test_unknown_dtype(tiny_model_dir):
    with pytest.raises(InputError, match="float32, bfloat16"):
        models.load_model(tiny_model_dir, dtype="int8")


def test_embedded_model_speaks(smollm2):
    model, tokenizer = smollm2
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()).strip() == "Paris"
