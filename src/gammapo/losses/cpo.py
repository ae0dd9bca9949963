"""CPO: DPO with a uniform reference, plus behaviour cloning of the chosen answer.

    L = ℓ(β (s_w − s_l)) − α s̄_w

Source: arXiv:2401.08417, eq. 3. The cloning term is averaged over each answer's tokens here, so that α does
not depend on length; the authors' code averages over the tokens of a whole micro-batch.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.parts import BetaOptions, log_loss, result
from gammapo.losses.spec import LossSpec, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class CPOOptions(BetaOptions):
    alpha: float = option(1.0, "weight of behaviour cloning of the chosen answer", source="arXiv:2401.08417")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.alpha >= 0, "alpha", self.alpha, "a number of at least 0")


def cpo(logps: PairLogps, options: CPOOptions) -> LossOutput:
    """CPO's loss of B pairs; see the module docstring for the formula."""
    z = options.beta * (logps.chosen - logps.rejected)
    per_pair = log_loss(z) - options.alpha * logps.chosen / logps.chosen_length
    return result(
        per_pair, (options.beta * logps.chosen, options.beta * logps.rejected), weights=(-z).sigmoid()
    )


SPEC = LossSpec(
    name="cpo",
    family="reference-free",
    formula="ℓ(β(s_w − s_l)) − α s̄_w",
    source="arXiv:2401.08417, eq. 3",
    options=CPOOptions,
    function=cpo,
    needs=frozenset({"lengths"}),
    limits="α = 0 is dpo with a uniform reference",
    notes=(
        "Never redescends: the more a pair contradicts the model, the harder it pulls. A "
        "flipped pair is also cloned. The weight shown is the preference term's alone."
    ),
)
