"""Target margins in proportion to the gap of an external score (annotator, reward model).

    γ_i = γ₀ min(cap, max(0, R_w − R_l) / scale)

Source: after the margin of Llama 2's reward models, arXiv:2307.09288, eq. 2. A pair whose scores contradict
its label asks for no margin.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from gammapo.margins.spec import Gaps, MarginSpec, option, require


@dataclass(frozen=True, kw_only=True)
class ScoreGapOptions:
    gamma0: float = option(3.0, "margin of a pair whose scores differ by `scale`", unit="reward")
    scale: float = option(1.0, "score gap of an ordinary pair", unit="score")
    cap: float = option(2.0, "largest margin, as a multiple of γ₀")

    def __post_init__(self) -> None:
        require(self.gamma0 >= 0, "gamma0", self.gamma0, "a number of at least 0")
        require(self.scale > 0, "scale", self.scale, "a number above 0")
        require(self.cap > 0, "cap", self.cap, "a number above 0")


def score_gap(score_gaps: Tensor, gamma0: float = 3.0, scale: float = 1.0, cap: float = 2.0) -> Tensor:
    """Margins (B,), detached, for score gaps R_w − R_l (B,), in the scores' unit."""
    ScoreGapOptions(gamma0=gamma0, scale=scale, cap=cap)  # checks them
    return gamma0 * (score_gaps.detach() / scale).clamp(0, cap)


def _from_gaps(gaps: Gaps, options: ScoreGapOptions) -> Tensor:
    assert gaps.score is not None
    return score_gap(gaps.score, options.gamma0, options.scale, options.cap).to(gaps.reward)


SPEC = MarginSpec(
    name="score_gap",
    formula="γ_i = γ₀ min(cap, max(0, R_w − R_l) / scale)",
    source="after arXiv:2307.09288, eq. 2",
    options=ScoreGapOptions,
    function=_from_gaps,
    needs=frozenset({"scores"}),
    notes="As good as the scores: a flip that they reveal asks for no margin, one they share for a full one.",
)
