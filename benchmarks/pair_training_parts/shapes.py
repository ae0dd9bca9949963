"""The models that are trained: the embedded one, or random weights in the shape of another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

QWEN: dict[str, dict[str, Any]] = {  # Qwen2.5's, as their configurations on the hub have them
    "qwen2.5-0.5b": {
        "hidden_size": 896,
        "intermediate_size": 4864,
        "num_hidden_layers": 24,
        "num_attention_heads": 14,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "qwen2.5-1.5b": {
        "hidden_size": 1536,
        "intermediate_size": 8960,
        "num_hidden_layers": 28,
        "num_attention_heads": 12,
        "num_key_value_heads": 2,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
}
NAMES = ("smollm2", *QWEN)


def save(shape: str, folder: Path) -> Path:
    """The model of that name and its tokenizer, which is the embedded one's for all."""
    from gammapo import models

    if shape != "smollm2":
        return save_random_qwen(folder, **QWEN[shape])
    models.load_model("smollm2").save_pretrained(folder)
    models.load_tokenizer("smollm2").save_pretrained(folder)
    return folder


def save_random_qwen(folder: Path, **shape: Any) -> Path:
    """A random Qwen2 of that shape in bfloat16, made on the GPU where there is one."""
    import torch

    from gammapo import models

    tokenizer = models.load_tokenizer("smollm2")
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = random_qwen(device, **({"vocab_size": len(tokenizer)} | shape | ends))
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def random_qwen(device: str, **shape: Any) -> Any:
    """A random Qwen2 in float32; the same weights each time on one kind of device."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    with torch.device(device):
        return Qwen2ForCausalLM(Qwen2Config(**shape))
