"""SimPO on the reference-anchored gap: an ablation that tells what anchoring alone does.

    L = ℓ(β (Δ̄ − Δ̄_ref) − γ),   Δ̄ − Δ̄_ref = (s_w − s_w^ref)/|y_w| − (s_l − s_l^ref)/|y_l|

Source: this project, from arXiv:2405.14734, eq. 6 (SimPO) by taking the reference's gap off.
"""

from __future__ import annotations

from gammapo.losses.parts import log_loss, log_ratios_per_token, result
from gammapo.losses.spec import LossSpec
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


def anchored_simpo(logps: PairLogps, options: TargetMarginOptions) -> LossOutput:
    """Anchored SimPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios_per_token(logps)
    z = options.beta * (chosen - rejected) - options.target_margin
    return result(
        log_loss(z),
        (options.beta * chosen, options.beta * rejected),
        margins=options.target_margin,
        weights=(-z).sigmoid(),
    )


SPEC = LossSpec(
    name="anchored_simpo",
    family="reference-based",
    formula="ℓ(β(Δ̄ − Δ̄_ref) − γ)",
    source="this project, after arXiv:2405.14734, eq. 6",
    options=TargetMarginOptions,
    function=anchored_simpo,
    needs=frozenset({"reference", "lengths"}),
    limits="a reference that gives both answers the same log-prob a token makes it simpo",
    notes=(
        "Never redescends: the more a pair contradicts the model, the harder it pulls. But it "
        "starts every pair at gap 0, so it does not begin by undoing what the base believes."
    ),
)
