"""PLC-DPO: each pair is taken as clean, flipped or tied, by how its margin stands among recent ones.

    L = (1 − λ_t C) ℓ(m) + λ_t C [q_c ℓ(m) + q_f ℓ(−m) + q_t log(1 + e^{|m|})],   m = βΔ
    (q_c, q_f, q_t) = softmax(log π_c + z/τ_d, log π_f − z/τ_d, log π_t − |z|/τ_t)
    z = (m − M)/S by moving averages,   C = ((max q − 1/3)/(2/3))^κ

Source: arXiv:2608.30597; q, C and z carry no gradient. λ_t is 0 during a warm-up and then rises to λ; the
published prior π, shape of the rise and start of the averages were not at hand: an even prior, a linear rise,
and averages corrected for their start (as Adam's moments, arXiv:1412.6980) stand in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.losses.parts import BetaOptions, log_loss, log_ratios, result
from gammapo.losses.schedule import strength
from gammapo.losses.spec import LossSpec, State, option, require
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class PLCDPOOptions(BetaOptions):
    beta: float = option(0.01, "scale of the reward", unit="reward per nat", source="arXiv:2608.30597")
    lam: float = option(0.85, "largest share of corrected labels", source="arXiv:2608.30597")
    warmup: float = option(0.07, "share of the run without correction", source="arXiv:2608.30597")
    ramp: float = option(0.1, "share of the run over which correction then rises")
    tau_direction: float = option(
        0.55, "softness of clean against flipped", unit="z", source="arXiv:2608.30597"
    )
    tau_tie: float = option(1.15, "softness of tied against both", unit="z", source="arXiv:2608.30597")
    kappa: float = option(0.8, "sharpness of the confidence C", source="arXiv:2608.30597")
    momentum: float = option(0.98, "memory of M and S", source="arXiv:2608.30597")
    prior_flip: float = option(1 / 3, "prior share of flipped pairs", unit="probability")
    prior_tie: float = option(1 / 3, "prior share of tied pairs", unit="probability")
    total_steps: int | None = option(None, "steps of the run; filled in by the trainer", unit="steps")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.lam <= 1, "lam", self.lam, "0 ≤ lam ≤ 1")
        require(0 <= self.warmup <= 1, "warmup", self.warmup, "0 ≤ warmup ≤ 1")
        require(0 <= self.ramp <= 1, "ramp", self.ramp, "0 ≤ ramp ≤ 1")
        require(self.tau_direction > 0, "tau_direction", self.tau_direction, "a number above 0")
        require(self.tau_tie > 0, "tau_tie", self.tau_tie, "a number above 0")
        require(self.kappa > 0, "kappa", self.kappa, "a number above 0")
        require(0 <= self.momentum < 1, "momentum", self.momentum, "0 ≤ momentum < 1")
        require(0 < self.prior_flip < 1, "prior_flip", self.prior_flip, "0 < prior_flip < 1")
        require(
            0 < self.prior_tie < 1 - self.prior_flip,
            "prior_tie",
            self.prior_tie,
            "0 < prior_tie < 1 − prior_flip",
        )
        require(
            self.total_steps is None or self.total_steps > 0, "total_steps", self.total_steps, "at least 1"
        )


def initial_state(options: PLCDPOOptions) -> State:
    return {"mean": torch.zeros(()), "variance": torch.zeros(()), "step": torch.zeros((), dtype=torch.int64)}


def _moving(m: Tensor, state: State, momentum: float) -> dict[str, Tensor]:
    """Moving sums of the margins' mean and variance, this step included, begun at 0."""
    now = {"mean": m.mean(), "variance": m.var(correction=0)}
    return {name: momentum * state[name].to(m) + (1 - momentum) * value for name, value in now.items()}


def _standing(m: Tensor, moving: dict[str, Tensor], steps: Tensor, momentum: float) -> Tensor:
    """z (B,): how many standard deviations above the mean. A sum begun at 0 lacks the share that its start
    has: a policy that begins at its reference has margins of 0, and without this the first, tiny variances
    would count for most for many steps."""
    seen = 1 - momentum ** steps.to(m)
    return (m - moving["mean"] / seen) / (moving["variance"] / seen).sqrt().clamp(min=1e-6)


def _routes(z: Tensor, options: PLCDPOOptions) -> tuple[Tensor, Tensor, Tensor]:
    """(q_clean, q_flip, q_tie), each (B,)."""
    clean = math.log(1 - options.prior_flip - options.prior_tie) + z / options.tau_direction
    flip = math.log(options.prior_flip) - z / options.tau_direction
    tie = math.log(options.prior_tie) - z.abs() / options.tau_tie
    q = torch.softmax(torch.stack([clean, flip, tie]), dim=0)
    return q[0], q[1], q[2]


def plc_dpo(logps: PairLogps, options: PLCDPOOptions, state: State) -> LossOutput:
    """PLC-DPO's loss of B pairs; see the module docstring for the formula."""
    chosen, rejected = log_ratios(logps)
    m = options.beta * (chosen - rejected)

    steps = state["step"] + 1
    moving = _moving(m.detach(), state, options.momentum)
    clean, flip, tie = _routes(_standing(m.detach(), moving, steps, options.momentum), options)
    sure = ((torch.maximum(torch.maximum(clean, flip), tie) - 1 / 3) / (2 / 3)).clamp(min=0) ** options.kappa
    part = (
        options.lam * strength(state["step"], options.total_steps, options.warmup, options.ramp).to(m) * sure
    )
    routed = clean * log_loss(m) + flip * log_loss(-m) + tie * log_loss(-m.abs())
    pull = clean * (-m).sigmoid() - flip * m.sigmoid() - tie * m.sign() * m.abs().sigmoid()
    return result(
        (1 - part) * log_loss(m) + part * routed,
        (options.beta * chosen, options.beta * rejected),
        weights=(1 - part) * (-m).sigmoid() + part * pull,
        clarity=clean + tie / 2,
        state={**moving, "step": steps},
    )


SPEC = LossSpec(
    name="plc_dpo",
    family="robust",
    formula="(1−λC)ℓ(m) + λC[q_c ℓ(m) + q_f ℓ(−m) + q_t log(1+e^{|m|})], m = βΔ",
    source="arXiv:2608.30597",
    options=PLCDPOOptions,
    function=plc_dpo,
    needs=frozenset({"reference"}),
    couples=True,
    initial_state=initial_state,
    limits="λ = 0, or any step of the warm-up, is dpo",
    notes=(
        "A pair well below the mean margin counts as flipped: its own pull shrinks to 1 − λC of dpo's, at "
        "least 0.15. A pair above the mean is held back. z is centred, so some pairs of clean data count as "
        "flipped too."
    ),
)
