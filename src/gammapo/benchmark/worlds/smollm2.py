"""The constraint world on the embedded real model, SmolLM2-135M-Instruct with LoRA: minutes a run on a core.

Pairs are drawn from those that ship with the package: two of the base's own answers to a prompt, the better
one by gold reward labelled better. There is no honest ambiguity in these labels; what is wrong with them is
what the grid's noise makes wrong. Held-out prompts ask about other subjects.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property
from importlib.resources import as_file
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from gammapo import data, files, generation, models
from gammapo.benchmark.world import Measured, Prompt, rank_correlation
from gammapo.benchmark.worlds.gold import ConstraintScorer
from gammapo.benchmark.worlds.tasks import held_out_tasks, train_tasks
from gammapo.errors import InputError
from gammapo.logps import pair_logps
from gammapo.models.embedded import NAME, cache_folder, model_folder
from gammapo.types import PairLogps, PreferencePair, TokenizedPair

MAX_LENGTH = 512  # tokens of a pair's side; the world's are some 100
AT_ONCE = {"cpu": {"read": 8, "followed": 1, "sampled": 32, "judged": 16}}
ON_A_GPU = {"read": 64, "followed": 16, "sampled": 256, "judged": 32}  # where calls cost, not tokens
DTYPES = ("float32", "bfloat16")


class SmolLM2World:
    """See the module docstring.

    Args:
        lora_rank: of the adapters that are trained, with alpha twice as much.
        measured: held-out prompts a measurement answers.
        followed: of these, the first whose answers are read again for the divergence from the base.
        max_new_tokens, temperature: of these answers.
        score_noise: standard deviation of the outside scorer's error, in units of gold.
        held_out: pairs on which accuracy is measured.
        dtype: of the frozen weights and the arithmetic, "float32" or "bfloat16"; adapters are float32. Gold
            is always judged in float32.
        device: where all of this happens, "cpu" or "cuda".
    """

    name = NAME

    def __init__(
        self,
        *,
        lora_rank: int = 16,
        measured: int = 64,
        followed: int = 16,
        max_new_tokens: int = 64,
        temperature: float = 0.7,
        score_noise: float = 0.1,
        held_out: int = 32,
        dtype: str = "float32",
        device: str = "cpu",
    ):
        if measured < 1 or not 1 <= followed <= measured:
            raise InputError(
                f"got {measured} and {followed}",
                field="world.measured, world.followed",
                expected="at least 1, and no more followed than measured",
            )
        if dtype not in DTYPES:
            raise InputError(f"got {dtype!r}", field="world.dtype", expected="one of " + ", ".join(DTYPES))
        self.dtype, self.device = dtype, device
        self._at_once = AT_ONCE.get(device, ON_A_GPU)
        self.lora_rank, self.measured, self.followed = lora_rank, measured, followed
        self.sampling = generation.Sampling(max_new_tokens=max_new_tokens, temperature=temperature)
        self.score_noise, self.held_out = score_noise, held_out

    # ---- the protocol ----

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        return [task.messages for task in train_tasks(count, seed=seed)]

    def base(self) -> nn.Module:
        policy = copy.deepcopy(self._base)
        return models.add_lora(policy, rank=self.lora_rank, alpha=2 * self.lora_rank, seed=0).eval()

    def gold(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        return self._scorer.score(prompts, answers)

    def pairs(self, count: int, seed: int) -> list[PreferencePair]:
        shipped = self._shipped
        if count > len(shipped) - self.held_out:
            raise InputError(
                f"{count} pairs",
                field="training.pairs",
                expected=f"at most {len(shipped) - self.held_out}: {len(shipped)} ship, {self.held_out} are "
                "held out",
            )
        return [shipped[index] for index in self._order(seed)[:count]]

    def held_out_pairs(self, seed: int) -> list[PreferencePair]:
        """The last ones in the seed's order, whose first ones are trained on."""
        return [self._shipped[index] for index in self._order(seed)[-self.held_out :]]

    def external_scores(self, pairs: Sequence[PreferencePair], seed: int) -> list[PreferencePair]:
        if any(pair.chosen_score is None or pair.rejected_score is None for pair in pairs):
            raise InputError("pairs without gold", field="scores", fix="use noise that keeps the scores")
        return [
            replace(
                pair,
                chosen_score=self._outside(pair, pair.chosen, pair.chosen_score, seed),
                rejected_score=self._outside(pair, pair.rejected, pair.rejected_score, seed),
            )
            for pair in pairs
        ]

    def encode(self, pairs: Sequence[PreferencePair]) -> list[TokenizedPair]:
        plain = data.tokenize_pairs(pairs, self._tokenizer, max_length=MAX_LENGTH).pairs
        known = self._read_before
        keys = [(_key(pair.prompt, pair.chosen), _key(pair.prompt, pair.rejected)) for pair in plain]
        missing = [
            pair
            for pair, both in zip(plain, keys, strict=True)
            if not (both[0] in known and both[1] in known)
        ]
        with torch.inference_mode():
            for start in range(0, len(missing), self._at_once["read"]):
                batch = missing[start : start + self._at_once["read"]]
                read = self.logps(self._base, batch)
                for pair, first, second in zip(
                    batch, read.chosen.tolist(), read.rejected.tolist(), strict=True
                ):
                    known |= {_key(pair.prompt, pair.chosen): first, _key(pair.prompt, pair.rejected): second}
        if missing:
            files.write_json(self._reference_path, known)
        return [
            replace(pair, reference_chosen=known[first], reference_rejected=known[second])
            for pair, (first, second) in zip(plain, keys, strict=True)
        ]

    def logps(self, policy: nn.Module, pairs: Sequence[TokenizedPair]) -> PairLogps:
        with self._arithmetic(policy):
            return pair_logps(policy, pairs)

    def measure(self, policy: nn.Module, seed: int) -> Measured:
        prompts = [task.messages for task in held_out_tasks(self.measured, seed=seed)]
        backend = generation.create(
            "transformers", model=policy, tokenizer=self._tokenizer, batch_size=self._at_once["sampled"]
        )
        with self._arithmetic(policy):
            drawn = backend.generate(prompts, replace(self.sampling, seed=seed))
        answers = [one[0] for one in drawn]
        followed = [
            TokenizedPair(id="", prompt=tuple(ids), chosen=answer.token_ids, rejected=answer.token_ids[:1])
            for prompt, answer in list(zip(prompts, answers, strict=True))[: self.followed]
            if (ids := data.encode_prompt(self._tokenizer, prompt)) and answer.token_ids
        ]
        ratios: list[float] = []
        with torch.inference_mode():
            for start in range(0, len(followed), self._at_once["followed"]):
                batch = followed[start : start + self._at_once["followed"]]
                ratios += (self.logps(policy, batch).chosen - self.logps(self._base, batch).chosen).tolist()
        return Measured(
            gold=np.array(self.gold(prompts, [answer.text for answer in answers])),
            length=np.array([len(answer.token_ids) for answer in answers], dtype=float),
            log_ratio=np.array(ratios),
        )

    def describe(self) -> dict[str, Any]:
        pairs = self._shipped
        read = self.encode(pairs)  # kept on disk, so that no run has to read them again
        gaps = np.array(
            [
                (pair.reference_chosen or 0.0) / len(pair.chosen)
                - (pair.reference_rejected or 0.0) / len(pair.rejected)
                for pair in read
            ]
        )
        gold = np.array([(pair.chosen_score or 0.0) - (pair.rejected_score or 0.0) for pair in read])
        turn = np.where(np.arange(len(gaps)) % 2, -1.0, 1.0)  # which answer comes first must not tell
        return {
            "world": self.name,
            "correlation_measured": round(rank_correlation(gaps * turn, gold * turn), 4),
            "base_agrees": round(float((gaps > 0).mean()), 4),
            "parameters": sum(parameter.numel() for parameter in self._base.parameters()),
            "pairs_shipped": len(self._shipped),
        }

    def _arithmetic(self, model: nn.Module) -> AbstractContextManager:
        """Without autocast's cache, which would keep the adapters' copies as they were at its first step."""
        device = next(model.parameters()).device.type
        wanted = self.dtype == "bfloat16"
        return torch.autocast(device, torch.bfloat16, enabled=wanted, cache_enabled=False)

    def _order(self, seed: int) -> list[int]:
        return np.random.default_rng([seed, 0]).permutation(len(self._shipped)).tolist()

    # ---- what is made once ----

    @cached_property
    def _base(self) -> Any:
        return models.load_model(NAME, dtype=self.dtype, device=self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        return models.load_tokenizer(NAME)

    @cached_property
    def _scorer(self) -> ConstraintScorer:
        judge = self._base if self.dtype == "float32" else models.load_model(NAME, device=self.device)
        return ConstraintScorer(judge, self._tokenizer, batch_size=self._at_once["judged"])

    @cached_property
    def _shipped(self) -> list[PreferencePair]:
        with as_file(package_files("gammapo.demo") / "data" / "pairs.jsonl.gz") as path:
            return list(data.load_pairs(path).pairs)

    @cached_property
    def _reference_path(self) -> Path:
        """Log-probs under the base, by the tokens that were read; the folder is named by its weights, the
        file by how they were read: another arithmetic's are off by more than the first steps change."""
        place = "" if self.device == "cpu" else "-" + torch.cuda.get_device_name().replace(" ", "-")
        return cache_folder() / "benchmark" / model_folder().name / f"reference-{self.dtype}{place}.json"

    @cached_property
    def _read_before(self) -> dict[str, float]:
        path = self._reference_path
        return files.read_json(path) if path.is_file() else {}

    def _outside(self, pair: PreferencePair, answer: str, gold: float | None, seed: int) -> float:
        text = json.dumps([seed, pair.prompt[-1].content, answer])
        digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
        error = np.random.default_rng(int.from_bytes(digest, "big")).standard_normal()
        return (gold or 0.0) + self.score_noise * float(error)


def _key(prompt: Sequence[int], answer: Sequence[int]) -> str:
    content = json.dumps([list(prompt), list(answer)])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()
