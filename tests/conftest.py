"""Real parts for all tests: a tiny Llama with a real tokenizer, the embedded model, the shared data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
WORDS = """the river runs to the sea and a cat sat on a mat while rain fell over every hill; one two
three four five six seven eight nine ten. Tell me about a river, a mountain, a bird or a bridge. Answer with
exactly one sentence! What is the colour of snow? Yes, no, good, bad, better, worse, first, last."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; the product never needs it."""
    folder = Path(__file__).parents[1].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return folder


@pytest.fixture(scope="session")
def tiny_tokenizer():
    """A byte-level BPE tokenizer with a chat template that writes BOS itself, and that adds BOS to plain
    text too, so that careless code gets two of them."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<pad>", "<s>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    core.train_from_iterator(
        WORDS.splitlines(),
        trainers.BpeTrainer(
            vocab_size=384, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        ),
    )
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", core.token_to_id("<s>"))]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="<|end|>", pad_token="<pad>", model_max_length=512
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_tiny_model(vocab_size: int, seed: int = 0, **overrides):
    """A random Llama of 2 layers with grouped-query attention, float32, in evaluation mode."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    settings = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.2,
    }
    return LlamaForCausalLM(LlamaConfig(**{**settings, **overrides})).eval()


@pytest.fixture
def tiny_model(tiny_tokenizer):
    return make_tiny_model(len(tiny_tokenizer))


@pytest.fixture(scope="session")
def tiny_model_dir(tiny_tokenizer, tmp_path_factory) -> Path:
    """The tiny model and its tokenizer as a folder on disk, as save_pretrained leaves them."""
    folder = tmp_path_factory.mktemp("tiny-model")
    make_tiny_model(len(tiny_tokenizer)).save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def smollm2():
    """(model, tokenizer) of the embedded SmolLM2-135M-Instruct."""
    from gammapo import models
    from gammapo.errors import InputError

    try:
        return models.load_model("smollm2"), models.load_tokenizer("smollm2")
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def llama_server():
    """Address of a real OpenAI-compatible server on loopback, with log-probs; serves the embedded model."""
    xllamacpp = pytest.importorskip("xllamacpp")
    from gammapo.errors import InputError
    from gammapo.models import embedded

    params = xllamacpp.CommonParams()
    try:
        params.model.path = str(embedded.gguf_path())
    except InputError as error:
        pytest.skip(str(error))
    params.hostnames, params.port = ["127.0.0.1"], 0  # a free port
    params.model_alias = {"smollm2-135m"}
    params.n_ctx, params.n_parallel, params.warmup = 2048, 1, False
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server  # which stops it
