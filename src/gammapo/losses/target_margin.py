"""The target margin of SimPO-style losses, given once and without ambiguity.

Some trainers call γ the absolute margin, others the ratio γ/β. Here `gamma` is absolute (reward units) and
`gamma_beta_ratio` is the ratio; at most one of them may be given.
"""

from __future__ import annotations

from dataclasses import dataclass

from gammapo.errors import InputError
from gammapo.losses.spec import option, require


@dataclass(frozen=True, kw_only=True)
class TargetMarginOptions:
    beta: float = option(
        2.5, "scale of the reward", unit="reward per nat", source="arXiv:2405.14734, table 8"
    )
    gamma: float | None = option(None, "target margin, absolute", unit="reward")
    gamma_beta_ratio: float | None = option(
        None, "target margin as a share of beta, where gamma is not given"
    )

    default_ratio = 0.4  # no annotation: a class constant, not an option

    def __post_init__(self) -> None:
        require(self.beta > 0, "beta", self.beta, "a number above 0")
        if self.gamma is not None and self.gamma_beta_ratio is not None:
            raise InputError(
                f"gamma={self.gamma} and gamma_beta_ratio={self.gamma_beta_ratio} both set the target margin",
                field="loss.gamma",
                expected="exactly one of them",
                fix="keep gamma (absolute) or gamma_beta_ratio (gamma = ratio · beta)",
            )
        for name in ("gamma", "gamma_beta_ratio"):
            value = getattr(self, name)
            require(value is None or value >= 0, name, value, "a number of at least 0")

    @property
    def target_margin(self) -> float:
        """γ in reward units."""
        if self.gamma is not None:
            return self.gamma
        ratio = self.default_ratio if self.gamma_beta_ratio is None else self.gamma_beta_ratio
        return ratio * self.beta

    @property
    def effective(self) -> dict[str, float]:
        """What stands for options that were left out."""
        return {} if self.gamma is not None else {"gamma_beta_ratio": self.target_margin / self.beta}

    @property
    def derived(self) -> str:
        return f"γ = {self.target_margin:g} absolute = {self.target_margin / self.beta:g} · β"
