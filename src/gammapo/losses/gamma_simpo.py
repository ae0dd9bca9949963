"""γ-SimPO: SimPO with a target margin of its own for each pair, from the KL-optimal margins.

    L = ℓ(r − γ_i),   r = βΔ̄,   Δ̄ = s_w/|y_w| − s_l/|y_l|,   γ_i from margins/kl_optimal.py

Source: arXiv:2506.03690, algorithm 2. Differences, on purpose: the margins are solved exactly,
the group of gaps that they are solved over is the whole step (not one rank's share) filled up with the latest
gaps of earlier steps (not a random sample), and it starts empty (not with random numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gammapo.losses import gap_window
from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, State, option, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.margins.kl_optimal import STEEPEST, kl_optimal
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class GammaSimPOOptions(TargetMarginOptions):
    beta: float = option(
        10.0, "scale of the reward", unit="reward per nat", source="authors' code, Qwen2.5-7B"
    )
    tau: float = option(
        3.0, "strength of the pull of all margins to their mean γ₀", source="arXiv:2506.03690"
    )
    group_size: int = option(
        256,
        "gaps that margins are solved over; earlier steps fill it up",
        unit="pairs",
        source="authors' code",
    )

    default_ratio = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.tau > 0, "tau", self.tau, "a number above 0")
        require(self.tau >= self.target_margin / STEEPEST, "tau", self.tau, f"at least γ₀/{STEEPEST:g}")
        require(self.group_size >= 0, "group_size", self.group_size, "a whole number of at least 0")


def initial_state(options: GammaSimPOOptions) -> State:
    return {"window": gap_window.empty()}


def group_margins(gaps: Tensor, options: GammaSimPOOptions, state: State) -> tuple[Tensor, State]:
    """Target margins (B,) of the reward gaps (B,), and the state after this step."""
    group = gap_window.joined(state["window"], gaps, options.group_size)
    margins = kl_optimal(group, options.target_margin, options.tau)[len(group) - len(gaps) :]
    return margins, {"window": gap_window.appended(state["window"], gaps, options.group_size)}


def gamma_simpo(logps: PairLogps, options: GammaSimPOOptions, state: State) -> LossOutput:
    """γ-SimPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = per_token(logps)
    gaps = options.beta * (chosen - rejected)
    margins, following = group_margins(gaps.detach(), options, state)
    z = gaps - margins
    return result(
        log_loss(z),
        (options.beta * chosen, options.beta * rejected),
        margins=margins,
        weights=(-z).sigmoid(),
        state=following,
    )


SPEC = LossSpec(
    name="gamma_simpo",
    family="adaptive margin",
    formula="ℓ(βΔ̄ − γ_i), γ_i KL-optimal with mean γ₀",
    source="arXiv:2506.03690",
    options=GammaSimPOOptions,
    function=gamma_simpo,
    needs=frozenset({"lengths"}),
    couples=True,
    initial_state=initial_state,
    limits="τ → ∞ is simpo",
    notes="Never redescends: a contradicted pair gets the smallest margin, yet still the largest weight "
    "σ(γ_i − r). The mean margin is γ₀ however noisy the labels are.",
)
