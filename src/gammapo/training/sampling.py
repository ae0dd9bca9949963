"""Answers sampled while training, so that a collapse shows before the run ends.

The same prompts with the same random numbers every time: what changes is the model. Every rank samples the
same answers, since sharded models must call forward together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gammapo import files
from gammapo.types import Generation, TokenizedPair

FILE = "samples.jsonl"
TEMPERATURE = 0.7  # nearer to how answers are used than 1, and loops show earlier
GRAM = 4  # tokens


@dataclass(frozen=True, kw_only=True)
class SamplingPlan:
    """When to sample, and what: `prompts` are (pair id, token ids)."""

    every: int  # optimiser steps; sampled at the first logging step from each multiple on
    prompts: tuple[tuple[str, tuple[int, ...]], ...]
    max_new_tokens: int
    seed: int

    def due(self, step: int, logging_steps: int) -> bool:
        """Whether the logging step `step` is the first one at or after a multiple of `every`. The run's last
        step is one too, however many steps lie between it and the one before."""
        before = (step - 1) // logging_steps * logging_steps
        return step // self.every > before // self.every


def choose_prompts(
    pairs: Sequence[TokenizedPair], count: int, seed: int
) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """So many different prompts of the training pairs, drawn by seed."""
    distinct = list({pair.prompt: pair.id for pair in pairs}.items())
    order = np.random.default_rng([seed, 1]).permutation(len(distinct))[:count]
    return tuple((distinct[i][1], distinct[i][0]) for i in order)


def sample_answers(
    model: Any, tokenizer: Any, plan: SamplingPlan, autocast: AbstractContextManager | None = None
) -> list[Generation]:
    """One answer a prompt, from the model as it is now; its mode (training) is restored."""
    from gammapo.generation import Sampling
    from gammapo.generation.transformers_backend import TransformersBackend

    backend = TransformersBackend(model=model, tokenizer=tokenizer)
    sampling = Sampling(max_new_tokens=plan.max_new_tokens, temperature=TEMPERATURE, seed=plan.seed)
    with autocast or nullcontext():
        answers = backend.continue_ids([ids for _, ids in plan.prompts], sampling)
    return [of_prompt[0] for of_prompt in answers]


def sample_metrics(answers: Sequence[Generation]) -> dict[str, float]:
    """Mean length in tokens, and mean share of repeated 4-grams of tokens."""
    return {
        "sample_length": float(np.mean([len(answer.token_ids) for answer in answers])),
        "sample_repetition": float(np.mean([repetition(answer.token_ids) for answer in answers])),
    }


def repetition(tokens: Sequence[int], size: int = GRAM) -> float:
    """Share of the n-grams that occurred before in the same answer; 0 for an answer without any."""
    grams = list(zip(*(tokens[offset:] for offset in range(size)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def write_samples(
    path: Path, step: int, plan: SamplingPlan, answers: Sequence[Generation], tokenizer: Any
) -> None:
    """Add the answers to the run's file, for a person to read."""
    with files.writing(path), path.open("a", encoding="utf-8") as out:
        for (pair, prompt), answer in zip(plan.prompts, answers, strict=True):
            row = {
                "step": step,
                "pair_id": pair,
                "prompt": tokenizer.decode(prompt),
                "output": answer.text,
                "tokens": len(answer.token_ids),
                "finish_reason": answer.finish_reason,
            }
            out.write(json.dumps(row, ensure_ascii=False) + "\n")
