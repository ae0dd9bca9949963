"""The options of gammapo, each part with its switch."""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.losses.spec import option, require, require_effect
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.margins.kl_optimal import STEEPEST

TUNED = "docs/research.md"


@dataclass(frozen=True, kw_only=True)
class GammaPOOptions(TargetMarginOptions):
    per_token: bool = option(True, "length-normalised log-ratios; False takes their sums, as DPO does")
    clear_margins: bool = option(True, "let a margin shrink as scores make its label less clear")
    adapt: float = option(0.0, "share of the KL-optimal margins in the targets", source=TUNED)
    tau: float = option(3.0, "pull of the KL-optimal margins to their mean", source="as gamma_simpo")
    guard: float = option(0.4, "weight of the drift guard, in units of beta; 0 is off", source=TUNED)
    allowance: float = option(0.8, "drift free at full trust", unit="nats per token", source=TUNED)
    full_agreement: float = option(0.5, "agreement of fresh pairs at which trust is full", source=TUNED)
    trust: float | None = option(None, "trust in the labels, if it is not to be measured", unit="0 to 1")
    use_scores: bool = option(True, "let external scores, where pairs have them, judge the labels")
    score_slope: float | None = option(
        2.0,
        "log-odds that a score gap of mean size adds to a label; None estimates it from the labels",
        source=TUNED,
    )
    prior_noise: float = option(0.15, "rate of flips expected before evidence", unit="probability")
    window: int = option(1024, "recent fresh gaps that trust and margins look at", unit="pairs")
    fresh_steps: int | None = option(
        None, "first steps, whose pairs are new to the model; filled in by the trainer", unit="steps"
    )

    default_ratio = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.adapt <= 1, "adapt", self.adapt, "0 ≤ adapt ≤ 1")
        for name in ("guard", "allowance"):
            require(getattr(self, name) >= 0, name, getattr(self, name), "a number of at least 0")
        require(self.window >= 1, "window", self.window, "at least 1")
        if self.adapt:
            require(self.tau >= self.target_margin / STEEPEST, "tau", self.tau, f"at least γ₀/{STEEPEST:g}")
        require(0 < self.full_agreement <= 1, "full_agreement", self.full_agreement, "above 0, at most 1")
        require(self.trust is None or 0 <= self.trust <= 1, "trust", self.trust, "0 ≤ trust ≤ 1")
        require(
            self.score_slope is None or self.score_slope >= 0, "score_slope", self.score_slope, "at least 0"
        )
        require(0 < self.prior_noise <= 0.25, "prior_noise", self.prior_noise, "0 < prior_noise ≤ 0.25")
        require(
            self.fresh_steps is None or self.fresh_steps > 0, "fresh_steps", self.fresh_steps, "at least 1"
        )

        require_effect(self, "tau", self.adapt > 0, "adapt is 0")
        require_effect(self, "allowance", self.guard > 0, "guard is 0")
        require_effect(self, "full_agreement", self.trust is None, "trust is given and not measured")
        require_effect(self, "clear_margins", self.use_scores, "use_scores is off")
        require_effect(self, "score_slope", self.use_scores, "use_scores is off")
        require_effect(self, "prior_noise", self.use_scores, "use_scores is off")

    @property
    def unused(self) -> frozenset[str]:
        """Optional needs that these options switch off."""
        return frozenset() if self.use_scores else frozenset({"scores"})
