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

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.errors import InputError
from gammapo.losses import gap_window
from gammapo.losses.bounded import bounded_loss, bounded_weight
from gammapo.losses.drift_guard import drift_guard
from gammapo.losses.label_noise import label_clarity, label_noise
from gammapo.losses.parts import per_token, result, score_gaps
from gammapo.losses.schedule import UNKNOWN_LENGTH, strength
from gammapo.losses.spec import LossSpec, State, option, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.margins.kl_optimal import STEEPEST, kl_optimal
from gammapo.types import LossOutput, PairLogps

GUARD = 1.0  # weight of the guard where there is a reference and nothing is said


@dataclass(frozen=True, kw_only=True)
class GammaPOOptions(TargetMarginOptions):
    """No default but those of SimPO's part has been tuned yet."""

    beta: float = option(10.0, "scale of the reward", unit="reward per nat", source="as gamma_simpo")
    q_max: float = option(0.7, "boundedness at full strength; 0 is off", source="arXiv:1805.07836")
    calibrate: bool = option(True, "boundedness only as far as gaps are found to predict labels")
    adapt: float = option(1.0, "how far margins are KL-optimal at full strength; 0 is off")
    tau: float = option(3.0, "pull of the KL-optimal margins to their mean", source="as gamma_simpo")
    trust: float = option(1.0, "how far clarity weighs pairs at full strength; 0 is off")
    score_slope: float = option(2.0, "log-odds that an ordinary score gap adds to a label; 0 is off")
    guard: float | None = option(None, "weight of the drift guard (1 if there is a reference, else off)")
    guard_slack: float = option(0.25, "fall of the mean log-prob left free", unit="nats per token")
    anchor: float = option(0.0, "share of the reference's gap taken off; above 0 needs a reference")
    noise: float | None = option(
        None, "rate of flipped labels, if known (estimated if not)", unit="probability"
    )
    prior_noise: float = option(0.15, "rate of flips expected before evidence", unit="probability")
    full_noise: float = option(0.3, "rate of flips at which protection is full", unit="probability")
    window: int = option(1024, "recent gaps that the estimate looks at", unit="pairs")
    fresh: float = option(1.0, "share of the run in which pairs are new to the model (1/epochs)")
    warmup: float = option(0.1, "share of the run without protection")
    ramp: float = option(0.1, "share of the run over which protection then rises")
    total_steps: int | None = option(None, "steps of the run; filled in by the trainer", unit="steps")

    default_ratio = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("q_max", "adapt", "trust", "anchor", "fresh", "warmup", "ramp"):
            require(0 <= getattr(self, name) <= 1, name, getattr(self, name), f"0 ≤ {name} ≤ 1")
        for name in ("score_slope", "guard_slack", "window"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "a number of at least 0")
        require(self.tau >= self.target_margin / STEEPEST, "tau", self.tau, f"at least γ₀/{STEEPEST:g}")
        require(self.guard is None or self.guard >= 0, "guard", self.guard, "a number of at least 0")
        require(self.noise is None or 0 <= self.noise < 0.5, "noise", self.noise, "0 ≤ noise < 0.5")
        require(0 < self.prior_noise <= 0.25, "prior_noise", self.prior_noise, "0 < prior_noise ≤ 0.25")
        require(0 < self.full_noise < 0.5, "full_noise", self.full_noise, "0 < full_noise < 0.5")
        require(
            self.total_steps is None or self.total_steps > 0, "total_steps", self.total_steps, "at least 1"
        )

    @property
    def unused(self) -> frozenset[str]:
        """Optional needs that these options switch off."""
        off = {"reference"} if self.guard == 0 and self.anchor == 0 else set()
        return frozenset(off | ({"scores"} if self.trust == 0 or self.score_slope == 0 else set()))


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
    group = gap_window.joined(state["window"], gaps, options.window)
    noise = label_noise(group, options.noise, options.prior_noise)
    rise = strength(state["step"], options.total_steps, options.warmup, options.ramp)
    s = (rise.to(gaps.device) * (noise.rate / options.full_noise).clamp(max=1)).to(gaps.dtype)

    clarity = label_clarity(gaps, noise, _score_evidence(logps, options, following["score_size"]))
    share = 1 - s * options.trust * (1 - (2 * clarity).clamp(max=1))
    gamma0 = options.target_margin
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
