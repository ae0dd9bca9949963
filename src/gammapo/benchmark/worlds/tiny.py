"""The tiny world: a small transformer whose answers have a gold reward, a run in seconds on one core.

`correlation` is how far the base's own likelihood predicts gold: the rank correlation, over on-policy pairs,
between the gap of the base's log-probs a token and the gap of gold. It is reached by weighing a property that
the base predicts against one that it cannot (`tiny_task.py`), and measured again on other samples.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gammapo import data, files
from gammapo.benchmark.fingerprint import source_hash
from gammapo.benchmark.world import Measured, Prompt, label, rank_correlation
from gammapo.benchmark.worlds import tiny_policy as policies
from gammapo.benchmark.worlds import tiny_task as task
from gammapo.errors import InputError
from gammapo.logps import pair_logps
from gammapo.models.embedded import cache_folder
from gammapo.types import Message, PairLogps, PreferencePair, TokenizedPair

NUMBERS = 10**task.DIGITS
TRAINING = 80_000  # of the numbers; the others are held out
HELD_OUT = NUMBERS - TRAINING - 3_000  # as prompts, so that pairs of different answers can be drawn
CALIBRATION_PAIRS, CALIBRATION_SEED = 2000, 90_001
READ_AT_ONCE = 256
MODULES = ("gammapo.benchmark.worlds.tiny_task", "gammapo.benchmark.worlds.tiny_policy")


class TinyWorld:
    """See the module docstring.

    Args:
        correlation: rank correlation between the base's likelihood and gold, over pairs.
        label_slope: of the Bradley–Terry labels, per unit of gold.
        score_noise: standard deviation of the outside scorer's error, in units of gold.
        measured: held-out prompts a measurement answers.
        held_out: pairs over held-out prompts; those of equal gold are left out.
    """

    name = "tiny"

    def __init__(
        self,
        *,
        correlation: float = 0.3,
        label_slope: float = 6.0,
        score_noise: float = 0.2,
        measured: int = 512,
        held_out: int = 256,
    ):
        if not -0.05 <= correlation <= 0.95:
            raise InputError(f"got {correlation}", field="world.correlation", expected="0 to 0.95")
        for field, value in (("measured", measured), ("held_out", held_out)):
            if not 1 <= value <= HELD_OUT:
                raise InputError(f"got {value}", field=f"world.{field}", expected=f"1 to {HELD_OUT:,}")
        self.correlation, self.label_slope = correlation, label_slope
        self.score_noise, self.measured, self.held_out = score_noise, measured, held_out

    # ---- the protocol ----

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        if count > TRAINING:
            raise InputError(f"{count} prompts", field="count", expected=f"at most {TRAINING}")
        return [_prompt(number) for number in _numbers(count, seed, held_out=False)]

    def base(self) -> nn.Module:
        fresh = policies.untrained()
        fresh.load_state_dict(self._base.state_dict())
        return fresh.eval()

    def gold(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        return [
            task.gold(prompt[-1].content, answer, self.weight)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def pairs(self, count: int, seed: int) -> list[PreferencePair]:
        rng = np.random.default_rng([seed, 2])
        pairs: list[PreferencePair] = []
        for number, answers in self._drawn(count, seed):
            golds = [task.gold(number, answer, self.weight) for answer in answers]
            better = label(golds[0], golds[1], self.label_slope, float(rng.random()))
            pairs.append(_pair(number, answers, golds, chosen=0 if better else 1))
        return pairs

    def held_out_pairs(self, seed: int) -> list[PreferencePair]:
        pairs = []
        for number, answers in self._drawn(self.held_out, seed, held_out=True):
            golds = [task.gold(number, answer, self.weight) for answer in answers]
            if golds[0] != golds[1]:
                pairs.append(_pair(number, answers, golds, chosen=int(golds[1] > golds[0])))
        return pairs

    def external_scores(self, pairs: Sequence[PreferencePair], seed: int) -> list[PreferencePair]:
        return [
            replace(
                pair,
                chosen_score=self._outside(pair, pair.chosen, seed),
                rejected_score=self._outside(pair, pair.rejected, seed),
            )
            for pair in pairs
        ]

    def encode(self, pairs: Sequence[PreferencePair]) -> list[TokenizedPair]:
        plain = [
            TokenizedPair(
                id=pair.id,
                prompt=tuple(task.prompt_ids(pair.prompt[-1].content)),
                chosen=tuple(task.answer_ids(pair.chosen)),
                rejected=tuple(task.answer_ids(pair.rejected)),
                chosen_score=pair.chosen_score,
                rejected_score=pair.rejected_score,
            )
            for pair in pairs
        ]
        found: list[TokenizedPair] = []
        with torch.inference_mode():
            for start in range(0, len(plain), READ_AT_ONCE):
                batch = plain[start : start + READ_AT_ONCE]
                logps = self.logps(self._base, batch)
                both = zip(batch, logps.chosen.tolist(), logps.rejected.tolist(), strict=True)
                found += [replace(one, reference_chosen=a, reference_rejected=b) for one, a, b in both]
        return found

    def logps(self, policy: nn.Module, pairs: Sequence[TokenizedPair]) -> PairLogps:
        return pair_logps(policy, pairs, path="shared")

    def measure(self, policy: nn.Module, seed: int) -> Measured:
        numbers = _numbers(self.measured, seed, held_out=True)
        uniforms = np.random.default_rng([seed, 3]).random((len(numbers), task.ANSWER_TOKENS))
        policy = policy.cpu().eval()  # a handful of tokens at a time: no work for a GPU
        answers, lengths, logps = policies.sample(policy, numbers, uniforms)
        gold = self.gold([_prompt(number) for number in numbers], answers)
        reference = self._read(numbers, answers, lengths)
        return Measured(gold=np.array(gold), length=lengths, log_ratio=logps - reference)

    def describe(self) -> dict[str, Any]:
        return dict(self._facts)

    # ---- what is made once and kept ----

    @property
    def weight(self) -> float:
        """w, the share of gold that right digits have."""
        return self._calibrated[0]

    @cached_property
    def folder(self) -> Path:
        return cache_folder() / "benchmark" / f"tiny-{source_hash(*MODULES)[:12]}"

    @cached_property
    def _base(self) -> nn.Module:
        return policies.saved_base(self.folder / "base")

    @cached_property
    def _calibrated(self) -> tuple[float, float]:
        """(w, correlation reached): bisection on w, with one set of samples."""
        path = self.folder / f"weight-{self.correlation:g}.json"
        if path.is_file():
            return tuple(files.read_json(path))
        gaps, right, form, sound = self._gaps(CALIBRATION_SEED)

        def reached(weight: float) -> float:
            value = (weight * right + (1 - weight) * form) * sound
            return rank_correlation(gaps, value[:, 0] - value[:, 1])

        low, high = 0.0, 1.0
        if reached(high) < self.correlation:
            raise InputError(
                f"got {self.correlation}",
                field="world.correlation",
                expected=f"at most {reached(high):.2f}, which right digits alone have",
            )
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if reached(middle) < self.correlation else (low, middle)
        weight = round(low, 4)
        files.write_json(path, [weight, reached(weight)])
        return weight, reached(weight)

    @cached_property
    def _facts(self) -> dict[str, Any]:
        gaps, right, form, sound = self._gaps(CALIBRATION_SEED + 1)
        value = (self.weight * right + (1 - self.weight) * form) * sound
        true = value[:, 0] - value[:, 1]
        told = true != 0
        return {
            "world": self.name,
            "correlation_asked": self.correlation,
            "correlation_measured": round(rank_correlation(gaps, true), 4),
            "base_agrees": round(float(((gaps > 0) == (true > 0))[told].mean()), 4),
            "weight": self.weight,
            "base_gold": round(float(value.mean()), 4),
            "parameters": sum(parameter.numel() for parameter in self._base.parameters()),
        }

    def _gaps(self, seed: int) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Of on-policy pairs: the base's gaps a token (n,); right, form, soundness of both answers (n, 2)."""
        drawn = self._drawn(CALIBRATION_PAIRS, seed)
        side = [[task.properties(number, answer) for answer in two] for number, two in drawn]
        values = np.array([[[r, f, 1.0 if ok else 0.5] for r, f, ok in two] for two in side])
        pairs = [
            TokenizedPair(
                id="",
                prompt=tuple(task.prompt_ids(number)),
                chosen=tuple(task.answer_ids(two[0])),
                rejected=tuple(task.answer_ids(two[1])),
            )
            for number, two in drawn
        ]
        gaps = []
        with torch.inference_mode():
            for start in range(0, len(pairs), READ_AT_ONCE):
                logps = self.logps(self._base, pairs[start : start + READ_AT_ONCE])
                gap = logps.chosen / logps.chosen_length - logps.rejected / logps.rejected_length
                gaps.append(gap.numpy())
        return np.concatenate(gaps), values[..., 0], values[..., 1], values[..., 2]

    def _drawn(self, count: int, seed: int, *, held_out: bool = False) -> list[tuple[str, tuple[str, str]]]:
        """(number, two different answers of the base), `count` of them; kept on disk, since gold is not in
        them and all correlations and losses share them."""
        kept, most = ("held-out", HELD_OUT + 3_000) if held_out else ("answers", TRAINING)
        path = self.folder / f"{kept}-{seed}-{count}.json"
        if path.is_file():
            return [(number, (first, second)) for number, first, second in json.loads(path.read_text())]
        numbers = _numbers(min(count + count // 10 + 10, most), seed, held_out=held_out)
        stream = np.random.default_rng([seed, 5 if held_out else 1])
        uniforms = stream.random((2, len(numbers), task.ANSWER_TOKENS))
        sides = [policies.sample(self._base, numbers, uniforms[side])[0] for side in (0, 1)]
        drawn = [
            (number, (first, second))
            for number, first, second in zip(numbers, *sides, strict=True)
            if first != second
        ][:count]
        if len(drawn) < count:
            raise InputError(f"only {len(drawn)} pairs of different answers", field="pairs", expected="fewer")
        rows = [[number, *two] for number, two in drawn]
        files.write_text(path, json.dumps(rows) + "\n")
        return drawn

    def _read(self, numbers: list[str], answers: list[str], lengths: NDArray) -> NDArray:
        """Summed log-probs (n,) of sampled answers under the base. An answer cut at the limit has no end."""
        pairs = []
        for number, answer, length in zip(numbers, answers, lengths, strict=True):
            ids = tuple(task.answer_ids(answer)[: int(length)])
            prompt = tuple(task.prompt_ids(number))
            pairs.append(TokenizedPair(id="", prompt=prompt, chosen=ids, rejected=(task.END,)))
        with torch.inference_mode():
            parts = [
                self.logps(self._base, pairs[start : start + READ_AT_ONCE]).chosen
                for start in range(0, len(pairs), READ_AT_ONCE)
            ]
        return torch.cat(parts).double().numpy()

    def _outside(self, pair: PreferencePair, answer: str, seed: int) -> float:
        true = task.gold(pair.prompt[-1].content, answer, self.weight)
        key = hashlib.blake2b(f"{seed}\0{pair.prompt[-1].content}\0{answer}".encode(), digest_size=8).digest()
        return true + self.score_noise * float(
            np.random.default_rng(int.from_bytes(key, "big")).standard_normal()
        )


def _numbers(count: int, seed: int, *, held_out: bool) -> list[str]:
    """Different prompts, from one side of a split that is the same for all seeds."""
    split = np.random.default_rng(20_240_607).permutation(NUMBERS)
    side = split[TRAINING:] if held_out else split[:TRAINING]
    chosen = np.random.default_rng([seed, 4 if held_out else 0]).choice(side, count, replace=False)
    return [f"{number:0{task.DIGITS}d}" for number in chosen]


def _prompt(number: str) -> Prompt:
    return (Message(role="user", content=number),)


def _pair(number: str, answers: tuple[str, str], golds: Sequence[float], chosen: int) -> PreferencePair:
    prompt = _prompt(number)
    return PreferencePair(
        id=data.pair_id(prompt, *answers),
        prompt=prompt,
        chosen=answers[chosen],
        rejected=answers[1 - chosen],
        chosen_score=golds[chosen],
        rejected_score=golds[1 - chosen],
    )
