"""β-DPO: β follows the quality of the step's pairs, and pairs of unusual gap are left out.

    L = ℓ(β_b Δ) over the kept pairs,   β_b = β [1 + α (mean kept gap − M)],   gap = βΔ

Source: arXiv:2407.08639. A share `keep` of the step is drawn without replacement, with weights N(gap; M,
S²); M and S are running mean and spread of the gaps, before this step. β_b is held above 0.001 β and
carries no gradient. The draw depends on `seed` and the step number alone. The authors' code differs in
details that change the numbers: gaps without β, M and S with this step's gaps in them, an unbiased S that
begins at 0, and β_b held above 0.001.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, State, option, require, require_effect
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class BetaDPOOptions(BetaOptions):
    alpha: float = option(0.6, "how strongly β follows the gaps", source="arXiv:2407.08639")
    keep: float = option(0.8, "share of the step's pairs that is kept", source="arXiv:2407.08639")
    momentum: float = option(0.9, "memory of M and S from step to step", source="arXiv:2407.08639")
    seed: int = option(0, "of the draw of kept pairs")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")
        require(0 < self.keep <= 1, "keep", self.keep, "0 < keep ≤ 1")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "0 ≤ momentum < 1")
        require_effect(self, "seed", self.keep < 1, "keep is 1 and no pair is drawn")


def initial_state(options: BetaDPOOptions) -> State:
    return {"mean": torch.zeros(()), "spread": torch.ones(()), "step": torch.zeros((), dtype=torch.int64)}


def _draw(gaps: Tensor, mean: Tensor, spread: Tensor, options: BetaDPOOptions, step: Tensor) -> Tensor:
    """1 for each kept pair, else 0: (B,). Gumbel noise on log weights draws without replacement."""
    count = max(1, int(options.keep * len(gaps)))
    if count == len(gaps):
        return torch.ones_like(gaps)
    generator = torch.Generator().manual_seed(hash((options.seed, int(step))) & 0x7FFF_FFFF_FFFF_FFFF)
    uniform = torch.rand(len(gaps), generator=generator, dtype=torch.float64).clamp(1e-12, 1 - 1e-12)
    noise = -torch.log(-torch.log(uniform))
    log_weight = -0.5 * ((gaps - mean) / spread.clamp(min=1e-6)).square()
    chosen = (log_weight + noise.to(gaps)).topk(count).indices
    return torch.zeros_like(gaps).scatter(0, chosen, 1.0)


def beta_dpo(logps: PairLogps, options: BetaDPOOptions, state: State) -> LossOutput:
    """β-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    gap = chosen - rejected
    reward_gap = options.beta * gap.detach()
    mean, spread = state["mean"].to(gap), state["spread"].to(gap)
    kept = _draw(reward_gap, mean, spread, options, state["step"])
    kept_mean = (reward_gap * kept).sum() / kept.sum()
    beta = options.beta * (1 + options.alpha * (kept_mean - mean)).clamp(min=1e-3)
    z = beta * gap
    per_pair = log_loss(z)
    m = options.momentum
    return result(
        per_pair,
        (beta * chosen, beta * rejected),
        loss=(per_pair * kept).sum() / kept.sum(),
        weights=kept * (-z).sigmoid(),
        state={
            "mean": m * mean + (1 - m) * reward_gap.mean(),
            "spread": m * spread + (1 - m) * reward_gap.std(correction=0),
            "step": state["step"] + 1,
        },
    )


SPEC = LossSpec(
    name="beta_dpo",
    family="adaptive strength",
    formula="ℓ(β_b Δ), β_b = β[1 + α(mean kept gap − M)]",
    source="arXiv:2407.08639",
    options=BetaDPOOptions,
    function=beta_dpo,
    needs=frozenset({"reference"}),
    couples=True,
    initial_state=initial_state,
    limits="α = 0 and keep = 1 is dpo",
    notes=(
        "A contradicted pair lies far from the running mean and is mostly left out; ambiguous pairs are kept."
    ),
)
