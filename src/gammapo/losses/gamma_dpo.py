"""γ-DPO: DPO whose target margin is shifted pair by pair, by the KL-optimal margins about their mean.

    L = ℓ(r − (γ_i − γ₀)),   r = βΔ,   Δ = (s_w − s_w^ref) − (s_l − s_l^ref)

Source: arXiv:2506.03690 with the DPO gap; group and window as in losses/gamma_simpo.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.gamma_simpo import GammaSimPOOptions, group_margins, initial_state
from gammapo.losses.parts import log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec, State, option
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class GammaDPOOptions(GammaSimPOOptions):
    beta: float = option(0.1, "scale of the reward", unit="reward per nat", source="arXiv:2305.18290")

    default_ratio = 5.0  # γ₀ = 0.5: summed gaps are tens of nats, so the ratio is larger than for SimPO


def gamma_dpo(logps: PairLogps, options: GammaDPOOptions, state: State) -> LossOutput:
    """γ-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    gaps = options.beta * (chosen - rejected)
    margins, following = group_margins(gaps.detach(), options, state)
    shifts = margins - options.target_margin
    z = gaps - shifts
    return result(
        log_loss(z),
        (options.beta * chosen, options.beta * rejected),
        margins=shifts,
        weights=(-z).sigmoid(),
        state=following,
    )


SPEC = LossSpec(
    name="gamma_dpo",
    family="adaptive margin",
    formula="ℓ(βΔ − (γ_i − γ₀)), γ_i KL-optimal with mean γ₀",
    source="arXiv:2506.03690",
    options=GammaDPOOptions,
    function=gamma_dpo,
    needs=frozenset({"reference"}),
    couples=True,
    initial_state=initial_state,
    notes="Never redescends; margins are shifts about 0, negative for contradicted pairs.",
    limits="τ → ∞ or γ₀ = 0 is dpo",
)
