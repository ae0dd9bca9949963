"""gammapo: SimPO that turns robust as far as the labels turn out to be wrong. First form; not settled.

    L = ω_i L_q(r_i − γ_i) + s·guard·g_i

    r_i = β (Δ̄ − anchor·Δ̄_ref)              reward gap, anchored to the reference as far as asked
    ε, k                                     rate of flips and trust in gaps, from fresh gaps (label_noise.py)
    s = λ_t min(1, ε / full_noise)           strength of every protection: 0 in the warm-up and on clean data
    γ_i = γ₀ + s·adapt·(γ_i^KL − γ₀)         margins: fixed at s = 0, KL-optimal at s = 1; their mean is γ₀
    L_q(z) = (1 − σ(z)^q)/q                  bounded loss, whose weight redescends (bounded.py);
    q = s·q_max·min(1, k)                    not where gaps say little of labels
    c_i = σ(logit(1−ε) + k r_i + score)      clarity: the probability that the label is right
    ω_i = 1 − s·trust·(1 − min(1, 2c_i))     a pair more likely wrong than right is played down
    g_i = max(0, drift − slack)²             label-free guard of the pair's mean log-prob (drift_guard.py)

Source: this project; docs/idea.md has the derivation, what is known and what would falsify it. s, γ, q, c and
ω carry no gradient. Every part has a switch; with all parts off, or with noise = 0, it is SimPO exactly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gammapo.errors import InputError
from gammapo.losses import gap_window
from gammapo.losses.bounded import bounded_loss, bounded_weight
from gammapo.losses.drift_guard import drift_guard
from gammapo.losses.gammapo_options import GUARD, GammaPOOptions
from gammapo.losses.label_noise import label_clarity, label_noise
from gammapo.losses.parts import per_token, result, score_gaps
from gammapo.losses.schedule import UNKNOWN_LENGTH, strength
from gammapo.losses.spec import LossSpec, State
from gammapo.margins.kl_optimal import kl_optimal
from gammapo.types import LossOutput, PairLogps


def initial_state(options: GammaPOOptions) -> State:
    return {
        "window": gap_window.empty(),  # latest reward gaps of pairs new to the model
        "step": torch.zeros((), dtype=torch.int64),
        "score_size": torch.zeros(()),  # mean |R_w − R_l| so far, and over how many pairs
        "score_count": torch.zeros(()),
    }


def gammapo(logps: PairLogps, options: GammaPOOptions, state: State) -> LossOutput:
    """gammapo's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = _anchored(logps, options.anchor)
    gaps = options.beta * (chosen - rejected)
    following = _next_state(logps, gaps.detach(), options, state)
    seen = following["window"] if len(following["window"]) else gaps  # fresh gaps only, once there are some
    noise = label_noise(seen, options.noise, options.prior_noise)
    rise = strength(state["step"], options.total_steps, options.warmup, options.ramp)
    s = (rise.to(gaps.device) * (noise.rate / options.full_noise).clamp(max=1)).to(gaps.dtype)

    clarity = label_clarity(gaps, noise, _score_evidence(logps, options, following["score_size"]))
    share = 1 - s * options.trust * (1 - (2 * clarity).clamp(max=1))
    gamma0 = options.target_margin
    group = gap_window.joined(state["window"], gaps, options.window)
    optimal = kl_optimal(group, gamma0, options.tau)[len(group) - len(gaps) :]
    margins = gamma0 + s * options.adapt * (optimal - gamma0)
    told = noise.slope.clamp(max=1).to(gaps.dtype) if options.calibrate else 1.0
    q, z = s * options.q_max * told, gaps - margins
    per_pair = share * bounded_loss(z, q)
    if guard := _guard_weight(logps, options):
        per_pair = per_pair + s * guard * drift_guard(logps, options.guard_slack)
    return result(
        per_pair,
        (options.beta * chosen, options.beta * rejected),
        margins=margins,
        clarity=clarity,
        weights=share * bounded_weight(z, q),
        state=following,
    )


def _anchored(logps: PairLogps, anchor: float) -> tuple[Tensor, Tensor]:
    """s̄ − anchor·s̄^ref of both answers, each (B,)."""
    chosen, rejected = per_token(logps)
    if anchor:
        if logps.reference_chosen is None or logps.reference_rejected is None:
            raise _needs_reference("anchor", anchor)
        chosen = chosen - anchor * logps.reference_chosen / logps.chosen_length
        rejected = rejected - anchor * logps.reference_rejected / logps.rejected_length
    return chosen, rejected


def _guard_weight(logps: PairLogps, options: GammaPOOptions) -> float:
    known = logps.reference_chosen is not None and logps.reference_rejected is not None
    if options.guard is None:
        return GUARD if known else 0.0
    if options.guard > 0 and not known:
        raise _needs_reference("guard", options.guard)
    return options.guard


def _needs_reference(name: str, value: float) -> InputError:
    return InputError(
        f"{name}={value} without reference log-probs",
        field=f"loss.{name}",
        expected="log-probs under the frozen reference model",
        fix=f"provide them, or set {name} to 0",
    )


def _score_evidence(logps: PairLogps, options: GammaPOOptions, size: Tensor) -> Tensor | None:
    """Log-odds of the labels by external scores (B,); 0 for a pair without a score (not a number)."""
    if logps.chosen_score is None or logps.rejected_score is None:
        return None
    return options.score_slope * (score_gaps(logps) / size.clamp(min=1e-12)).nan_to_num(nan=0.0)


def _next_state(logps: PairLogps, gaps: Tensor, options: GammaPOOptions, state: State) -> dict[str, Tensor]:
    following = {**state, "step": state["step"] + 1}
    if int(state["step"]) < options.fresh * (options.total_steps or UNKNOWN_LENGTH):
        following["window"] = gap_window.appended(state["window"], gaps, options.window)
    if logps.chosen_score is not None and logps.rejected_score is not None:
        sizes = score_gaps(logps).abs()
        known = sizes.isfinite()
        count = state["score_count"].to(sizes) + known.sum()
        size = state["score_size"].to(sizes)
        excess = torch.where(known, sizes - size, torch.zeros_like(sizes)).sum()
        following |= {"score_size": size + excess / count.clamp(min=1), "score_count": count}
    return following


SPEC = LossSpec(
    name="gammapo",
    family="gammapo",
    formula="ω_i L_q(r_i − γ_i) + s·guard·g_i, all protections scaled by s(estimated noise)",
    source="this project, docs/idea.md",
    options=GammaPOOptions,
    function=gammapo,
    needs=frozenset({"lengths"}),
    uses=frozenset({"reference", "scores"}),
    couples=True,
    initial_state=initial_state,
    limits="noise = 0, or all of q_max, adapt, trust and guard 0 (and anchor 0), is simpo",
    notes="Redescends as far as labels are found to be noisy: by q for all pairs, by clarity for those that "
    "a calibrated gap or a score contradicts. First form: defaults not tuned, final form open.",
)
