"""The policy of the tiny world: a Llama of half a million parameters, its pretraining and its sampling."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from gammapo.benchmark.worlds import tiny_task as task

SETTINGS: dict[str, Any] = {
    "vocab_size": task.VOCABULARY,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 64,
    "pad_token_id": task.PAD,
    "bos_token_id": task.BOS,
    "eos_token_id": task.END,
}
STEPS, BATCH, RATE, SEED = 150, 64, 3e-3, 0
ROWS_AT_ONCE = 512


def untrained(seed: int = SEED) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**SETTINGS))


def pretrain(steps: int = STEPS) -> LlamaForCausalLM:
    """A base policy from imperfect demonstrations: about 12 s on one core."""
    model = untrained()
    rng = np.random.default_rng(SEED)
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        ids = torch.from_numpy(task.demonstrations(BATCH, rng))
        labels = ids.masked_fill(ids == task.PAD, -100)[:, task.PROMPT_TOKENS :]
        logits = model(input_ids=ids, use_cache=False).logits[:, task.PROMPT_TOKENS - 1 : -1]
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, task.VOCABULARY), labels.reshape(-1), ignore_index=-100
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return model.eval()


def saved_base(folder: Path) -> LlamaForCausalLM:
    """The base of that folder, made on first use. Two processes may make it at once; one copy stays."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = Path(scratch) / "base"
            pretrain().save_pretrained(made)
            try:
                made.rename(folder)
            except OSError:
                if not folder.is_dir():
                    raise
                shutil.rmtree(made, ignore_errors=True)
    return LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@torch.inference_mode()
def sample(
    model: torch.nn.Module, prompts: list[str], uniforms: NDArray[np.float64]
) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64]]:
    """One answer a prompt at temperature 1, by inverting the distribution at given uniform draws.

    Two policies sampled with the same draws differ only as far as their distributions do, which makes their
    difference less noisy.

    Args:
        prompts: n prompts of equal length.
        uniforms: (n, ANSWER_TOKENS) in [0, 1).

    Returns:
        answers, their tokens with the end of the turn (n,), and their summed log-probs (n,).
    """
    parts = [
        _sample(model, prompts[start : start + ROWS_AT_ONCE], uniforms[start : start + ROWS_AT_ONCE])
        for start in range(0, len(prompts), ROWS_AT_ONCE)
    ]
    answers = [answer for part in parts for answer in part[0]]
    lengths = torch.cat([part[1] for part in parts]).double().numpy()
    logps = torch.cat([part[2] for part in parts]).double().numpy()
    return answers, lengths, logps


def _sample(model, prompts: list[str], uniforms: NDArray[np.float64]) -> tuple[list[str], Tensor, Tensor]:
    ids = torch.tensor([task.prompt_ids(prompt) for prompt in prompts])
    draws = torch.from_numpy(uniforms)
    cache = DynamicCache()
    running = torch.ones(len(prompts), dtype=torch.bool)
    logps, lengths = torch.zeros(len(prompts)), torch.zeros(len(prompts))
    taken: list[Tensor] = []
    for step in range(task.ANSWER_TOKENS):
        logits = model(input_ids=ids, past_key_values=cache, use_cache=True).logits[:, -1].float()
        log_probs = torch.log_softmax(logits, -1)
        # float64 sums: the last of them must not fall short of a draw near 1
        reached = log_probs.double().exp().cumsum(-1)
        token = (reached < draws[:, step : step + 1] * reached[:, -1:]).sum(-1, keepdim=True)
        logps += torch.where(running, log_probs.gather(-1, token).squeeze(-1), 0.0)
        lengths += running
        taken.append(torch.where(running[:, None], token, task.END))
        running = running & (token.squeeze(-1) != task.END)
        if not running.any():
            break
        ids = token
    rows = torch.cat(taken, 1).tolist()
    return [task.text(row) for row in rows], lengths, logps
