"""Tiny random models of the families the shared path must be exact on, and pairs of chosen lengths."""

from functools import partial

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from gammapo.types import TokenizedPair

VOCABULARY = 97
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 6,
    "max_position_embeddings": 256,
    "initializer_range": 0.3,
    "pad_token_id": 0,
}
# The windows are shorter than most test sequences, so that a forgotten window shows.
MAKERS = {
    "llama": lambda tied: LlamaForCausalLM(LlamaConfig(**SIZES, tie_word_embeddings=tied)),
    "qwen2": lambda tied: Qwen2ForCausalLM(
        Qwen2Config(
            **SIZES,
            tie_word_embeddings=tied,
            use_sliding_window=True,
            sliding_window=5,
            max_window_layers=1,
        )
    ),
    "mistral": lambda tied: MistralForCausalLM(
        MistralConfig(**SIZES, tie_word_embeddings=tied, sliding_window=5)
    ),
    "gemma2": lambda tied: Gemma2ForCausalLM(
        Gemma2Config(
            **SIZES,
            tie_word_embeddings=tied,
            sliding_window=5,
            query_pre_attn_scalar=10,
            attn_logit_softcapping=2.0,
            final_logit_softcapping=3.0,
            attn_implementation="eager",
        )
    ),
}


def make_model(family: str, *, tied: bool = False, dtype: torch.dtype = torch.float64, seed: int = 0):
    torch.manual_seed(seed)
    model = MAKERS[family](tied).to(dtype).train()
    if dtype == torch.float64:
        for module in model.modules():
            if type(module).__name__.endswith("RMSNorm"):
                module.forward = partial(norm_in_full, module, 1.0 if family == "gemma2" else 0.0)
    return model


def norm_in_full(module, offset, x):
    """RMS norm in the input's own dtype: transformers rounds it to float32, which would hide small errors."""
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * (module.weight + offset)


def make_pairs(*lengths: tuple[int, int, int], seed: int = 0) -> list[TokenizedPair]:
    """A pair of random tokens for each (prompt, chosen, rejected) length."""
    draw = torch.Generator().manual_seed(seed)
    pairs = []
    for number, (p, c, r) in enumerate(lengths):
        ids = torch.randint(0, VOCABULARY, (p + c + r,), generator=draw).tolist()
        parts = {"prompt": ids[:p], "chosen": ids[p : p + c], "rejected": ids[p + c :]}
        pairs.append(TokenizedPair(id=f"p{number}", **{k: tuple(v) for k, v in parts.items()}))
    return pairs
