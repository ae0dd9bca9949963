"""gammapo: a target margin on the anchored gap, and only as much drift as the labels have earned.

    L_i = c_i ℓ(r_i − γ_i) + (1 − c_i) ℓ(−r_i − γ_i) + guard · β · max(0, d_i − s · allowance)²

    r_i = β (Δ̄ − Δ̄_ref)      reward gap, anchored: every pair starts at 0, whatever the base thinks of it
    γ_i = γ₀ |2c_i − 1|       target margin: the clearer the label, the further the pair is driven
    d_i                       fall of the pair's mean log-prob, which no label can touch (drift_guard.py)
    s                         trust: how far labels agree with the model on fresh pairs (agreement.py)
    c_i                       clarity: the probability by external scores that the label is right
                              (label_noise.py); 1 without scores, where all margins are γ₀

Source: this project; docs/idea.md has the derivation, docs/research.md the experiments. γ, s and c carry no
gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gammapo.losses import gap_window
from gammapo.losses.agreement import trust
from gammapo.losses.drift_guard import drift_guard
from gammapo.losses.gammapo_options import GammaPOOptions
from gammapo.losses.label_noise import LabelNoise, label_clarity, label_noise
from gammapo.losses.parts import log_loss, log_ratios, log_ratios_per_token, result, score_gaps
from gammapo.losses.spec import LossSpec, State
from gammapo.margins.kl_optimal import kl_optimal
from gammapo.types import LossOutput, PairLogps


def initial_state(options: GammaPOOptions) -> State:
    return {
        "step": torch.zeros((), dtype=torch.int64),
        "window": gap_window.empty(),  # reward gaps of pairs new to the model, turned as c finds right
        "scores": gap_window.empty(),  # score gaps of labelled pairs
    }


def gammapo(logps: PairLogps, options: GammaPOOptions, state: State) -> LossOutput:
    """gammapo's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios_per_token(logps) if options.per_token else log_ratios(logps)
    gaps = options.beta * (chosen - rejected)
    following = {**state, "step": state["step"] + 1}
    clarity = _clarity(logps, options, following)
    turned = gaps.detach() if clarity is None else torch.where(clarity < 0.5, -gaps, gaps).detach()

    margins = torch.full_like(turned, options.target_margin)
    if clarity is not None and options.clear_margins:
        margins = margins * (2 * clarity - 1).abs()
    if options.adapt:  # γ-PO's margins instead (arXiv:2506.03690)
        group = gap_window.joined(state["window"], turned, options.window)
        optimal = kl_optimal(group, options.target_margin, options.tau)[len(group) - len(turned) :]
        margins = margins + options.adapt * (optimal - margins)
    if options.fresh_steps is None or int(state["step"]) < options.fresh_steps:
        following["window"] = gap_window.appended(state["window"], turned, options.window)
    s = trust(following["window"], options.full_agreement) if options.trust is None else options.trust

    per_pair = log_loss(gaps - margins)
    weights = (margins - gaps).sigmoid()
    if clarity is not None:
        per_pair = clarity * per_pair + (1 - clarity) * log_loss(-gaps - margins)
        weights = clarity * weights - (1 - clarity) * (gaps + margins).sigmoid()
    if options.guard:
        guard = drift_guard(logps, s * options.allowance)
        per_pair = per_pair + options.guard * options.beta * guard
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        margins=margins,
        clarity=clarity,
        weights=weights,
        state=following,
    )


def _clarity(logps: PairLogps, options: GammaPOOptions, following: dict[str, Tensor]) -> Tensor | None:
    """c (B,) by scores, which the window of scores in `following` takes up; None where there are none."""
    if logps.chosen_score is None or logps.rejected_score is None or not options.use_scores:
        return None
    scores = score_gaps(logps)
    following["scores"] = gap_window.appended(following["scores"], scores[scores.isfinite()], options.window)
    seen = following["scores"]
    if not len(seen):
        return None
    noise = label_noise(seen, prior=options.prior_noise)
    if options.score_slope is not None:
        slope = options.score_slope / seen.abs().mean().clamp(min=1e-12)
        noise = LabelNoise(rate=noise.rate, slope=slope)
    return label_clarity(scores.nan_to_num(nan=0.0), noise)


SPEC = LossSpec(
    name="gammapo",
    family="gammapo",
    formula="c_i ℓ(r_i − γ_i) + (1 − c_i) ℓ(−r_i − γ_i) + guard·β·max(0, d_i − s·allowance)²",
    source="this project, docs/idea.md",
    options=GammaPOOptions,
    function=gammapo,
    needs=frozenset({"reference", "lengths"}),
    uses=frozenset({"scores"}),
    couples=True,
    initial_state=initial_state,
    limits="guard = 0, without scores, is anchored_simpo",
    notes="Without scores a flipped pair is pulled as any other; what it cannot do is buy drift: flips "
    "shrink the agreement of fresh pairs by 1 − 2ε, and with it the drift that is free. With scores that "
    "tell labels apart, a pair that they contradict is turned round.",
)
