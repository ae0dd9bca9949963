"""One target margin for every pair, as in SimPO (arXiv:2405.14734, eq. 6)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gammapo.margins.spec import Gaps, MarginSpec, option, require


@dataclass(frozen=True, kw_only=True)
class FixedOptions:
    gamma0: float = option(3.0, "target margin of every pair", unit="reward")

    def __post_init__(self) -> None:
        require(self.gamma0 >= 0, "gamma0", self.gamma0, "a number of at least 0")


def fixed(reward_gaps: Tensor, gamma0: float = 3.0) -> Tensor:
    """γ₀ for each of B pairs: (B,), detached, in the type of `reward_gaps` (B,)."""
    return torch.full_like(reward_gaps.detach(), FixedOptions(gamma0=gamma0).gamma0)


def _from_gaps(gaps: Gaps, options: FixedOptions) -> Tensor:
    return fixed(gaps.reward, options.gamma0)


SPEC = MarginSpec(
    name="fixed",
    formula="γ_i = γ₀",
    source="arXiv:2405.14734, eq. 6",
    options=FixedOptions,
    function=_from_gaps,
)
