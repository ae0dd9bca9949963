"""DPO: the logistic loss of the log-ratio gap.

    L = ℓ(βΔ),   Δ = (s_w − s_w^ref) − (s_l − s_l^ref),   ℓ(z) = −log σ(z)

Source: arXiv:2305.18290, eq. 7.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def dpo(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    return result(log_loss(z), (options.beta * chosen, options.beta * rejected), weights=(-z).sigmoid())


SPEC = LossSpec(
    name="dpo",
    family="reference-based",
    formula="ℓ(βΔ)",
    source="arXiv:2305.18290, eq. 7",
    options=BetaOptions,
    function=dpo,
    needs=frozenset({"reference"}),
    notes=(
        "Never redescends: the more a pair contradicts the model, the harder it pulls. Its "
        "weight σ(−βΔ) tends to 1."
    ),
)
