"""KTO on paired data: each answer is judged against a common point, with a value that saturates.

    L = [1 − σ(β(h_w − z₀))] + [1 − σ(β(z₀ − h_l))],   h = s − s^ref,   z₀ = max(0, mean of h over the step)

Source: arXiv:2402.01306. The paper estimates z₀, a KL divergence, from answers matched with other
prompts; the paired form has none, so the mean log-ratio of the step's own answers stands in. No gradient
flows through z₀.
"""

from __future__ import annotations

import torch

from gammapo.losses.parts import BetaOptions, log_ratios, result
from gammapo.losses.spec import LossSpec
from gammapo.types import LossOutput, PairLogps


def kto_pair(logps: PairLogps, options: BetaOptions) -> LossOutput:
    """KTO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    baseline = torch.cat([chosen, rejected]).mean().clamp(min=0).detach()
    value = (options.beta * (chosen - baseline)).sigmoid()
    regret = (options.beta * (baseline - rejected)).sigmoid()
    return result((1 - value) + (1 - regret), (options.beta * chosen, options.beta * rejected))


SPEC = LossSpec(
    name="kto_pair",
    family="reference-based",
    formula="[1 − σ(β(h_w − z₀))] + [1 − σ(β(z₀ − h_l))]",
    source="arXiv:2402.01306",
    options=BetaOptions,
    function=kto_pair,
    needs=frozenset({"reference"}),
    couples=True,
    notes=("Redescends: an answer far on the wrong side hardly pulls, because both values saturate."),
)
