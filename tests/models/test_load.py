import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

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


def rewritten(folder, tmp_path, change, file="model.safetensors"):
    """A copy of a model's folder with other tensors in its file."""
    copy = shutil.copytree(folder, tmp_path / "changed")
    save_file(change(load_file(copy / file)), copy / file, metadata={"format": "pt"})
    return copy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda w: {k: v for k, v in w.items() if k != "lm_head.weight"},
            r"missing: lm_head.weight, 1 in all",
        ),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, "weights of the LlamaForCausalLM are missing"),
        (
            lambda w: w | {"lm_head.weight": w["lm_head.weight"][:-1].clone()},
            "other sizes .*: lm_head.weight",
        ),
    ],
)
def test_weights_that_are_not_there_do_not_begin_at_random(tiny_model_dir, tmp_path, change, message):
    """transformers fills them in and prints a table: a classifier would train with a head of noise."""
    with pytest.raises(InputError, match=message):
        models.load_model(rewritten(tiny_model_dir, tmp_path, change))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.safetensors", "version https://git-lfs.github.com/spec/v1", "SafetensorError"),
        ("config.json", '{"model_type": "llama", "num_attention_heads": "four"}', "'num_attention_heads'"),
        (
            "config.json",
            '{"model_type": "x", "auto_map": {"AutoConfig": "x.X"}}',
            "code from beside its weights",
        ),
    ],
)
def test_a_folder_that_cannot_be_read_is_told_as_bad_input(tiny_model_dir, tmp_path, name, content, message):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "damaged")
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=message) as told:
        models.load_model(folder)
    assert told.value.file == folder


def test_a_damaged_tokenizer_is_told_as_bad_input(tiny_model_dir, tmp_path):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "damaged")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="no tokenizer can be loaded: KeyError"):
        models.load_tokenizer(folder)


@pytest.fixture
def adapter(tiny_model_dir, tmp_path):
    """A folder as PEFT alone saves it: without a tokenizer."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(models.load_model(tiny_model_dir), config).save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


def test_an_adapter_without_a_tokenizer_has_its_bases(adapter, tiny_model_dir):
    found, base = models.load_tokenizer(adapter), models.load_tokenizer(tiny_model_dir)
    assert found.get_vocab() == base.get_vocab()
    assert found.chat_template == base.chat_template


def test_an_adapter_of_which_a_part_is_missing_is_refused(adapter, tmp_path):
    """PEFT warns, and leaves those layers as the base has them."""

    def change(weights):
        return {k: v for k, v in weights.items() if "layers.0.self_attn.q_proj.lora_B" not in k}

    with pytest.raises(InputError, match=r"missing adapter keys .*layers\.0\.self_attn\.q_proj\.lora_B"):
        models.load_model(rewritten(adapter, tmp_path, change, "adapter_model.safetensors"))


def test_an_adapter_whose_base_is_gone_names_its_own_folder(adapter):
    config = json.loads((adapter / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "/gone/away/base"
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="base cannot be loaded: /gone/away/base: no such model") as told:
        models.load_model(adapter)
    assert (told.value.file, told.value.field) == (str(adapter), "base_model_name_or_path")


def test_virtual_tokens_cannot_be_merged(tiny_model_dir, tmp_path):
    from peft import PromptTuningConfig, get_peft_model

    config = PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM")
    get_peft_model(models.load_model(tiny_model_dir), config).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="peft_type: the adapter adds virtual tokens"):
        models.load_model(tmp_path)


def test_an_empty_cache_variable_is_none(monkeypatch):
    """As the XDG specification has it; a path from it would lie in the current folder."""
    monkeypatch.delenv("GAMMAPO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert embedded.cache_folder().is_absolute()


def test_unknown_dtype(tiny_model_dir):
    with pytest.raises(InputError, match="float32, bfloat16"):
        models.load_model(tiny_model_dir, dtype="int8")


def test_embedded_model_speaks(smollm2):
    model, tokenizer = smollm2
    ids = tokenizer("The capital of France is", return_tensors="pt").input_ids
    assert tokenizer.decode(model(ids).logits[0, -1].argmax()).strip() == "Paris"


def test_a_model_without_its_weights_reads_no_weight_file(tiny_model_dir, tmp_path):
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
