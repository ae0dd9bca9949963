"""KL-optimal target margins (γ-PO), solved exactly.

    min over p in the simplex of   (1/B) Σ_i ℓ(r_i − γ_i) + τ KL(p ‖ uniform),   γ_i = γ₀ B p_i

Source: arXiv:2506.03690, whose authors take a fixed number of mirror-descent steps instead.

The problem is convex, and stationary where all pairs agree on one multiplier λ. With a = γ₀/τ and
v = log γ₀ + λ/τ, stationarity is

    h_i(γ_i) := γ_i − e^{v − a σ(γ_i − r_i)} = 0,    mean_i γ_i = γ₀,    0 ≤ λ ≤ γ₀.

h_i rises, and is convex below r_i + y* and concave above, with one turning point y* for all pairs and all v:
σ(y*) solves aσ² − (2+a)σ + 1 = 0. So Newton's method kept on the root's side of it can neither overshoot nor
cycle. Each γ_i rises in v, which leaves one scalar root to find, by Newton inside a shrinking bracket.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.margins.spec import Gaps, MarginSpec, option, require

TOLERANCE = 1e-10  # of log(mean γ / γ₀): the mean is then rescaled exactly
STEEPEST = 100.0  # of a = γ₀/τ; beyond, margins would differ by more than e^100


@dataclass(frozen=True, kw_only=True)
class KLOptimalOptions:
    gamma0: float = option(3.0, "mean target margin", unit="reward", source="authors' code, Qwen2.5-7B")
    tau: float = option(3.0, "strength of the pull to one common margin", source="authors' code, Qwen2.5-7B")

    def __post_init__(self) -> None:
        require(self.gamma0 >= 0, "gamma0", self.gamma0, "a number of at least 0")
        require(self.tau > 0, "tau", self.tau, "a number above 0")
        require(self.gamma0 <= STEEPEST * self.tau, "tau", self.tau, f"at least gamma0 / {STEEPEST:g}")


def kl_optimal(reward_gaps: Tensor, gamma0: float = 3.0, tau: float = 3.0) -> Tensor:
    """Target margins of B pairs: larger where the reward gap is larger, γ₀ on average.

    Args:
        reward_gaps: (B,), r_i = β Δ, in reward units, any floating type. Its gradient is not followed.
        gamma0: mean margin γ₀ ≥ 0, in reward units.
        tau: τ > 0; ∞ gives γ₀ to every pair, and max γ / min γ ≤ e^{γ₀/τ} always.

    Returns:
        (B,) margins, detached, in the type of `reward_gaps`; none is negative and their mean is γ₀.

    Raises:
        InputError: `reward_gaps` is not (B,), or an option is outside its range.
    """
    require(reward_gaps.ndim == 1, "reward_gaps", tuple(reward_gaps.shape), "shape (B,)")
    KLOptimalOptions(gamma0=gamma0, tau=tau)  # checks both
    gaps = reward_gaps.detach()
    if gamma0 == 0 or math.isinf(tau) or len(gaps) < 2:
        return torch.full_like(gaps, gamma0)
    # Apple's GPUs have no float64
    exact = torch.float32 if gaps.device.type == "mps" else torch.float64
    # σ is 0 or 1 to the last bit far inside these limits, which only tame infinite gaps
    margins = _solve(gaps.to(exact).clamp(-1e30, 1e30), gamma0, gamma0 / tau, stop=gaps.device.type == "cpu")
    return (margins * (gamma0 / margins.mean())).to(gaps.dtype)


@torch.no_grad()
def _solve(r: Tensor, gamma0: float, a: float, *, stop: bool) -> Tensor:
    """Margins (B,) with mean γ₀, for gaps r (B,).

    All decisions are tensor operations, so that nothing waits for an accelerator. With `stop` the loops
    end as soon as they have converged: on a CPU looking is free.
    """
    lowest = v_low = r.new_full((), math.log(gamma0))
    v_high = lowest + a
    margins = torch.full_like(r, gamma0)
    v = lowest + a * torch.sigmoid(margins - r).mean()
    for _ in range(6 + math.ceil(2 * math.log1p(a))):
        margins, rise = _margins_at(v, margins, r, a, tolerance=1e-7 * gamma0 if stop else None)
        excess = (margins.mean() / gamma0).log()
        if stop and abs(excess.item()) < TOLERANCE:
            break
        v_low, v_high = torch.where(excess < 0, v, v_low), torch.where(excess < 0, v_high, v)
        newton = v - excess * margins.mean() / rise.mean()
        inside = (newton >= v_low) & (newton <= v_high)
        following = torch.where(inside, newton, (v_low + v_high) / 2)
        margins, v = margins + rise * (following - v), following
    return margins


def _margins_at(
    v: Tensor, start: Tensor, r: Tensor, a: float, *, tolerance: float | None
) -> tuple[Tensor, Tensor]:
    """The roots γ (B,) of h for one v (), from any start (B,); and their derivatives dγ/dv (B,)."""
    steepest = 1 / (1 + a / 2 + math.sqrt(1 + a * a / 4))  # σ(y*), written so that a → 0 is harmless
    turn = r + math.log(steepest / (1 - steepest))
    above = turn < torch.exp(v - a * steepest)  # is the root above the turning point?
    least, most = torch.exp(v - a), torch.exp(v)
    low = torch.where(above, turn, least).clamp(least, most)
    high = torch.where(above, most, turn).clamp(least, most)
    margins = target = slope = start
    for _ in range(6 + math.ceil(a)):  # steps of 1/a in log γ where h is steepest, then Newton's squares
        margins = margins.clamp(low, high)
        s = torch.sigmoid(margins - r)
        target = torch.exp(v - a * s)
        slope = 1 + a * target * s * (1 - s)
        step = (margins - target) / slope
        margins = margins - step
        # Newton's error is of the order of the last step's square
        if tolerance is not None and step.abs().max().item() < tolerance:
            break
    return margins, target / slope


def _from_gaps(gaps: Gaps, options: KLOptimalOptions) -> Tensor:
    """Solved over the recent gaps and these, if there is a window, so that small steps have company."""
    group = gaps.reward if gaps.window is None else torch.cat([gaps.window.to(gaps.reward), gaps.reward])
    return kl_optimal(group, options.gamma0, options.tau)[len(group) - len(gaps.reward) :]


SPEC = MarginSpec(
    name="kl_optimal",
    formula="argmin_p mean_i ℓ(r_i − γ_i) + τ KL(p ‖ uniform), γ_i = γ₀ B p_i",
    source="arXiv:2506.03690",
    options=KLOptimalOptions,
    function=_from_gaps,
    couples=True,
    notes="The mean margin stays γ₀ however noisy the labels are; a pair's margin rises with its gap.",
)
