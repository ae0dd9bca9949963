"""gammapo's trainer beside TRL's, on one model and the same pairs, for test_trl_on_gpu.py.

The comparison is the one of benchmarks/pair_training.py: each side a process with its own trainer, both
taking turns step by step. It is a module of its own so that a CPU can run it too (test_beside_trl.py).
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import pair_training

TRAINERS = {"cpo": "micro4", "dpo": "dpo_micro4"}  # TRL's trainer → the case: SimPO's loss and DPO's


def save_random_qwen(folder: Path, **shape: Any) -> Path:
    """A random Qwen2 of that shape in bfloat16, with the embedded model's tokenizer."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from gammapo import models

    tokenizer = models.load_tokenizer("smollm2")
    ends = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(0)
    model = Qwen2ForCausalLM(Qwen2Config(**({"vocab_size": len(tokenizer)} | shape | ends)))
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def compare(model: Path, trainer: str, *, steps: int, log: Path) -> dict[str, Any]:
    """`steps` timed optimiser steps of 4 pairs against TRL's trainer; see `pair_training.summary`."""
    options = Namespace(steps=steps, seed=0, threads=1, texts=None, log=log, limit_gb=16.0)
    return pair_training.run(pair_training.CASES[TRAINERS[trainer]], model, options)
