"""The options of gammapo: every part with its switch, and what each is worth at full strength."""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.spec import option, require, require_effect
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.margins.kl_optimal import STEEPEST

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

        require_effect(self, "calibrate", self.q_max > 0, "q_max is 0")
        require_effect(self, "tau", self.adapt > 0, "adapt is 0")
        require_effect(self, "score_slope", self.trust > 0, "trust is 0")
        require_effect(self, "guard_slack", self.guard != 0, "guard is 0")
        require_effect(self, "prior_noise", self.noise is None, "noise is given and not estimated")

    @property
    def unused(self) -> frozenset[str]:
        """Optional needs that these options switch off."""
        off = {"reference"} if self.guard == 0 and self.anchor == 0 else set()
        return frozenset(off | ({"scores"} if self.trust == 0 or self.score_slope == 0 else set()))
