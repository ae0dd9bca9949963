"""WPO: DPO with each pair weighed by how likely the policy itself is to write it.

    L = w ℓ(βΔ),   w = min(1, e^{s̄_w + s̄_l}), without gradient

Source: arXiv:2406.11827, eq. 2, with length-normalised weights and without the paper's alignment of weights,
which needs the whole distribution at each token and not only the answers' log-probs (TRL has it).
"""

from __future__ import annotations

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, per_token, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def wpo(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """WPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    z = options.beta * (chosen - rejected)
    ours, theirs = per_token(logps)
    share = (ours + theirs).detach().clamp(max=0).exp()
    return result(
        share * log_loss(z), (options.beta * chosen, options.beta * rejected), weights=share * (-z).sigmoid()
    )


SPEC = LossSpec(
    name="wpo",
    family="adaptive strength",
    formula="w ℓ(βΔ), w = sg min(1, e^{s̄_w + s̄_l})",
    source="arXiv:2406.11827, eq. 2",
    options=BetaOptions,
    function=wpo,
    needs=frozenset({"reference", "lengths"}),
    notes="Its weights know nothing of labels: a flipped pair of likely answers pulls hardest.",
)
