"""KLDPO: DPO against the worst distribution in a KL ball, which plays up pairs of large loss.

    L = w ℓ(βΔ),   w = min(cap, e^{(ℓ − mean ℓ)/τ}), without gradient

Source: arXiv:2502.01930 (its exponential weights, which are 1 at the mean loss).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class KLDPOOptions(BetaOptions):
    tau: float = option(0.05, "temperature over pairs", unit="loss", source="arXiv:2502.01930")
    cap: float = option(10.0, "largest weight")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tau > 0, "tau", self.tau, "a number above 0")
        require(self.cap >= 1, "cap", self.cap, "a number of at least 1")


def kldpo(logps: PairLogps, options: KLDPOOptions) -> LossOutput:
    """KLDPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    raw = log_loss(z)
    excess = (raw - raw.mean()).detach() / options.tau
    w = excess.clamp(max=math.log(options.cap)).exp()
    return result(w * raw, (options.beta * chosen, options.beta * rejected), weights=w * (-z).sigmoid())


SPEC = LossSpec(
    name="kldpo",
    family="adaptive strength",
    formula="w ℓ(βΔ), w = sg min(cap, e^{(ℓ − mean ℓ)/τ})",
    source="arXiv:2502.01930",
    options=KLDPOOptions,
    function=kldpo,
    needs=frozenset({"reference"}),
    couples=True,
    limits="τ → ∞ is dpo",
    notes=(
        "Robust to a shift of prompts, not to flips: the pair that contradicts the model most "
        "gets the largest weight."
    ),
)
