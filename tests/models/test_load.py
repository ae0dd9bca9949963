import json

import pytest
import torch

from gammapo import models
from gammapo.errors import InputError
from gammapo.models import embedded


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


def test_the_embedded_model_s_special_tokens_are_its_file_s(smollm2):
    """Some versions of transformers read other ones out of the same file."""
    _, tokenizer = smollm2
    named = embedded._special_tokens(embedded.gguf_path())
    assert {name: tokenizer.convert_tokens_to_ids(getattr(tokenizer, name)) for name in named} == named
    assert tokenizer.eos_token == "<|im_end|>"


def test_unknown_dtype(tiny_model_dir):
    with pytest.raises(InputError, match="float32, bfloat16"):
        models.load_model(tiny_model_dir, dtype="int8")


def test_embedded_model_speaks(smollm2):
    model, tokenizer = smollm2
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()).strip() == "Paris"


def test_a_model_without_its_weights_reads_no_weight_file(tiny_model_dir, tmp_path):
    import shutil

    folder = tmp_path / "no-weights"
    shutil.copytree(tiny_model_dir, folder)
    for path in folder.glob("*.safetensors"):
        path.unlink()
    whole, empty = models.load_model(tiny_model_dir), models.load_model(folder, weights=False)
    shapes = [{n: (p.shape, p.dtype) for n, p in m.named_parameters()} for m in (whole, empty)]
    assert shapes[0] == shapes[1]
    assert {p.device.type for p in empty.parameters()} == {"cpu"}
    for (name, right), (_, found) in zip(whole.named_buffers(), empty.named_buffers(), strict=True):
        assert torch.equal(right, found), name
    assert empty.generation_config.eos_token_id == whole.generation_config.eos_token_id
    empty.load_state_dict(whole.state_dict())
    ids = torch.tensor([[1, 5, 9]])
    assert torch.equal(empty(ids).logits, whole(ids).logits)


def test_tied_weights_stay_tied_without_weights(tmp_path):
    from tests.conftest import make_tiny_model

    make_tiny_model(64, tie_word_embeddings=True).save_pretrained(tmp_path)
    empty = models.load_model(tmp_path, weights=False)
    assert empty.get_input_embeddings().weight is empty.get_output_embeddings().weight
