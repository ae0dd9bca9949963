"""NCA on pairs: noise contrast of each answer alone, so that likelihoods are held, not only their gap.

    L = ℓ(βh_w) + ½ ℓ(−βh_w) + ½ ℓ(−βh_l),   h = s − s^ref

Source: arXiv:2402.05369 with K = 2 and a hard label.
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def nca_pair(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """NCA's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    win, lose = options.beta * chosen, options.beta * rejected
    return result(log_loss(win) + 0.5 * (log_loss(-win) + log_loss(-lose)), (win, lose))


SPEC = LossSpec(
    name="nca_pair",
    family="reference-based",
    formula="ℓ(βh_w) + ½ℓ(−βh_w) + ½ℓ(−βh_l)",
    source="arXiv:2402.05369",
    options=BetaOptions,
    function=nca_pair,
    needs=frozenset({"reference"}),
    notes=(
        "The winner's likelihood has a finite optimum (βh_w = log 2), so the pair cannot drift "
        "down together; a flipped pair still pulls with full weight."
    ),
)
