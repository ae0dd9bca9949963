"""The softmax world: a table of answers' logits, solved in milliseconds, with the exact optimum known.

Each of C contexts has K answers, each with a gold reward, a length in tokens (which plays no part in gold)
and a base logit. A policy is the table of logits; its gold reward is an exact expectation, without sampling.
`correlation` is that of base logits with gold, before ranks are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gammapo import data
from gammapo.benchmark.world import Measured, Prompt, label, rank_correlation
from gammapo.errors import InputError
from gammapo.types import Message, PairLogps, PreferencePair, TokenizedPair

SHORTEST, LONGEST = 4, 8
OTHER_DRAW = 1 << 32  # added to a seed: beyond every seed of a grid


class Table(nn.Module):
    """Logits (C, K); the log-prob of an answer is its log-softmax within the context."""

    def __init__(self, logits: Tensor):
        super().__init__()
        self.logits = nn.Parameter(logits.clone())

    def forward(self) -> Tensor:
        return torch.log_softmax(self.logits, -1)


class SoftmaxWorld:
    """See the module docstring. The world is the same for all seeds; seeds draw pairs.

    Args:
        contexts, answers: C and K.
        correlation: of base logits with gold, over answers within a context, in [-1, 1].
        spread: standard deviation of the base's logits, in nats.
        label_slope: of the Bradley–Terry labels, per unit of gold.
        score_noise: standard deviation of the outside scorer's error, in units of gold.
        held_out: pairs on which accuracy is measured.
    """

    name = "softmax"

    def __init__(
        self,
        *,
        contexts: int = 32,
        answers: int = 8,
        correlation: float = 0.3,
        spread: float = 1.0,
        label_slope: float = 6.0,
        score_noise: float = 0.2,
        held_out: int = 256,
    ):
        if contexts < 1 or answers < 2:
            raise InputError(
                f"got {contexts} contexts of {answers} answers", field="world", expected="≥ 1, of ≥ 2"
            )
        if not -1 <= correlation <= 1:
            raise InputError(f"got {correlation}", field="world.correlation", expected="-1 to 1")
        self.label_slope, self.score_noise, self.held_out = label_slope, score_noise, held_out
        rng = np.random.default_rng([contexts, answers])
        hidden, other = rng.standard_normal((2, contexts, answers))
        self.table_gold = 1 / (1 + np.exp(-1.5 * hidden))
        base = spread * (correlation * hidden + np.sqrt(1 - correlation**2) * other)
        self.table_base = torch.log_softmax(torch.from_numpy(base), -1)
        self.lengths = rng.integers(SHORTEST, LONGEST + 1, (contexts, answers))

    # ---- what is known exactly ----

    def value(self, logps: Tensor) -> float:
        """Expected gold of a policy's log-probs (C, K), every context as likely."""
        return float((logps.detach().double().exp().numpy() * self.table_gold).sum(-1).mean())

    def optimum(self) -> float:
        """The best expected gold of any policy."""
        return float(self.table_gold.max(-1).mean())

    def regularised(self, tau: float) -> Tensor:
        """Log-probs (C, K) of the policy that maximises E[gold] − τ·KL(π‖base): π ∝ base·exp(gold/τ)."""
        return torch.log_softmax(self.table_base + torch.from_numpy(self.table_gold) / tau, -1)

    # ---- the protocol ----

    def prompts(self, count: int, seed: int) -> list[Prompt]:
        rng = np.random.default_rng([seed, 0])
        return [_prompt(context) for context in rng.integers(0, len(self.table_gold), count)]

    def base(self) -> nn.Module:
        return Table(self.table_base)

    def gold(self, prompts: Sequence[Prompt], answers: Sequence[str]) -> list[float]:
        return [
            float(self.table_gold[int(prompt[-1].content), int(answer)])
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def pairs(self, count: int, seed: int) -> list[PreferencePair]:
        rng = np.random.default_rng([seed, 1])
        chance = self.table_base.exp().numpy()
        pairs = []
        for number, prompt in enumerate(self.prompts(count, seed)):
            context = int(prompt[-1].content)
            first, second = rng.choice(chance.shape[1], 2, replace=False, p=chance[context])
            golds = self.table_gold[context, [first, second]]
            if not label(golds[0], golds[1], self.label_slope, float(rng.random())):
                first, second = second, first
            content = data.pair_id(prompt, str(first), str(second))
            pairs.append(
                PreferencePair(
                    id=f"{content}-{number}",  # a table's few answers meet often
                    prompt=prompt,
                    chosen=str(first),
                    rejected=str(second),
                    chosen_score=float(self.table_gold[context, first]),
                    rejected_score=float(self.table_gold[context, second]),
                )
            )
        return pairs

    def held_out_pairs(self, seed: int) -> list[PreferencePair]:
        """Another draw of pairs from the same table, which has no context to hold out."""
        return [
            pair if (pair.chosen_score or 0) > (pair.rejected_score or 0) else pair.flipped()
            for pair in self.pairs(self.held_out, seed + OTHER_DRAW)
        ]

    def external_scores(self, pairs: Sequence[PreferencePair], seed: int) -> list[PreferencePair]:
        errors = self.score_noise * np.random.default_rng([seed, 2]).standard_normal(self.table_gold.shape)
        scores = self.table_gold + errors

        def score(pair: PreferencePair, answer: str) -> float:
            return float(scores[int(pair.prompt[-1].content), int(answer)])

        return [
            replace(pair, chosen_score=score(pair, pair.chosen), rejected_score=score(pair, pair.rejected))
            for pair in pairs
        ]

    def encode(self, pairs: Sequence[PreferencePair]) -> list[TokenizedPair]:
        return [
            TokenizedPair(
                id=pair.id,
                prompt=(context,),
                chosen=(int(pair.chosen),),
                rejected=(int(pair.rejected),),
                chosen_score=pair.chosen_score,
                rejected_score=pair.rejected_score,
                reference_chosen=float(self.table_base[context, int(pair.chosen)]),
                reference_rejected=float(self.table_base[context, int(pair.rejected)]),
            )
            for pair in pairs
            for context in [int(pair.prompt[-1].content)]
        ]

    def logps(self, policy: nn.Module, pairs: Sequence[TokenizedPair]) -> PairLogps:
        table = policy()
        contexts = torch.tensor([pair.prompt[0] for pair in pairs])
        chosen = torch.tensor([pair.chosen[0] for pair in pairs])
        rejected = torch.tensor([pair.rejected[0] for pair in pairs])
        lengths = torch.from_numpy(self.lengths)
        scored = all(pair.chosen_score is not None and pair.rejected_score is not None for pair in pairs)
        return PairLogps(
            chosen=table[contexts, chosen],
            rejected=table[contexts, rejected],
            chosen_length=lengths[contexts, chosen].to(table),
            rejected_length=lengths[contexts, rejected].to(table),
            reference_chosen=self.table_base[contexts, chosen].to(table),
            reference_rejected=self.table_base[contexts, rejected].to(table),
            chosen_score=torch.tensor([pair.chosen_score for pair in pairs]).to(table) if scored else None,
            rejected_score=torch.tensor([pair.rejected_score for pair in pairs]).to(table)
            if scored
            else None,
        )

    def measure(self, policy: nn.Module, seed: int) -> Measured:
        del seed  # an exact expectation needs no draw
        with torch.no_grad():
            logps = policy().double().cpu()
        chance = logps.exp().numpy()
        ratio = (logps - self.table_base).numpy()
        return Measured(
            gold=(chance * self.table_gold).sum(-1),
            length=(chance * self.lengths).sum(-1),
            log_ratio=(chance * ratio).sum(-1),
        )

    def describe(self) -> dict[str, Any]:
        ranks = [
            rank_correlation(b, g) for b, g in zip(self.table_base.numpy(), self.table_gold, strict=True)
        ]
        return {
            "world": self.name,
            "correlation_measured": round(float(np.mean(ranks)), 4),
            "base_gold": round(self.value(self.table_base), 4),
            "optimum": round(self.optimum(), 4),
            "parameters": self.table_gold.size,
        }


def _prompt(context: int) -> Prompt:
    return (Message(role="user", content=str(context)),)
