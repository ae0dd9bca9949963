"""ORPO: supervised fine-tuning plus a penalty on the odds ratio, in one stage.

    L = −s̄_w + λ ℓ(log(odds_w / odds_l)),   odds = p / (1 − p),   p = e^{s̄}

Source: arXiv:2403.07691, eqs. 4 and 7. log odds = s̄ − log(1 − e^{s̄}) is infinite at s̄ = 0; log-probs are
held below −1e-6 a token.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class ORPOOptions:
    lam: float = option(0.1, "weight of the odds-ratio term", source="arXiv:2403.07691")

    def __post_init__(self) -> None:
        require(self.lam >= 0, "lam", self.lam, "a number of at least 0")


CEILING = -1e-6  # nats per token


def _log_odds(logp: Tensor) -> Tensor:
    """log(p/(1−p)) of p = e^logp < 1; −expm1 keeps 1 − p exact near p = 1."""
    return logp - torch.log(-torch.expm1(logp))


def orpo(logps: PairLogps, options: ORPOOptions) -> LossOutput:
    """ORPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = (_log_odds(value.clamp(max=CEILING)) for value in per_token(logps))
    gap = chosen - rejected
    supervised = -logps.chosen / logps.chosen_length
    return result(
        supervised + options.lam * log_loss(gap),
        (chosen, rejected),
        weights=(-gap).sigmoid(),
    )


SPEC = LossSpec(
    name="orpo",
    family="reference-free",
    formula="−s̄_w + λ ℓ(log(odds_w/odds_l))",
    source="arXiv:2403.07691, eqs. 4 and 7",
    options=ORPOOptions,
    function=orpo,
    needs=frozenset({"lengths"}),
    limits="λ = 0 is supervised fine-tuning on the chosen answers",
    notes=(
        "A flipped pair is also learnt by heart through −s̄_w, which no preference can correct."
        " The weight shown is the odds-ratio term's alone."
    ),
)
