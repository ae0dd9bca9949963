"""SimPO with target margins from any registered margin, or from a user's own.

    L = ℓ(βΔ̄ − γ_i),   γ_i = margin(reward gaps, scores, recent gaps)

Source: this project; arXiv:2405.14734, eq. 6 with γ_i for γ. The margin is a name (`margins.names()`) or
`module:attribute` of a MarginSpec. γ, by `gamma` or `gamma_beta_ratio`, is handed to it as `gamma0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from gammapo import margins
from gammapo.losses import gap_window
from gammapo.losses.parts import log_loss, per_token, result
from gammapo.losses.spec import LossSpec, State, option, require
from gammapo.losses.target_margin import TargetMarginOptions
from gammapo.types import LossOutput, PairLogps


@dataclass(frozen=True, kw_only=True)
class MarginSimPOOptions(TargetMarginOptions):
    margin: str = option("kl_optimal", "name of a margin, or module:attribute")
    margin_options: Mapping[str, Any] | None = option(None, "the margin's own options, but for gamma0")
    group_size: int = option(256, "gaps that the margin looks at; earlier steps fill it up", unit="pairs")

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.group_size >= 0, "group_size", self.group_size, "a whole number of at least 0")
        self.chosen_margin()  # a wrong name or option is told now, not at the first step

    @property
    def needed(self) -> frozenset[str]:
        """What the margin cannot do without, which the loss then cannot either."""
        return self.chosen_margin().spec.needs

    def chosen_margin(self) -> margins.Margin:
        """The margin with its options."""
        given = dict(self.margin_options or {})
        named = all(isinstance(name, str) for name in given)
        require(named, "margin_options", given, "names of the margin's options, each with its value")
        require(
            "gamma0" not in given, "margin_options", given, "no gamma0: gamma or gamma_beta_ratio sets it"
        )
        bare = margins.create(self.margin, **given)
        if "gamma0" not in {item.name for item in fields(bare.spec.options)}:
            return bare
        return margins.create(self.margin, gamma0=self.target_margin, **given)


def initial_state(options: MarginSimPOOptions) -> State:
    return {"window": gap_window.empty()}


def margin_simpo(logps: PairLogps, options: MarginSimPOOptions, state: State) -> LossOutput:
    """SimPO's loss of B pairs with the margin's target for each."""
    chosen, rejected = per_token(logps)
    gaps = options.beta * (chosen - rejected)
    scores = None
    if logps.chosen_score is not None and logps.rejected_score is not None:
        scores = logps.chosen_score - logps.rejected_score
    group = gap_window.joined(state["window"], gaps, options.group_size)
    earlier = group[: len(group) - len(gaps)]
    targets = options.chosen_margin()(margins.Gaps(reward=gaps.detach(), score=scores, window=earlier))
    z = gaps - targets
    return result(
        log_loss(z),
        (options.beta * chosen, options.beta * rejected),
        margins=targets,
        weights=(-z).sigmoid(),
        state={"window": gap_window.appended(state["window"], gaps, options.group_size)},
    )


SPEC = LossSpec(
    name="margin_simpo",
    family="adaptive margin",
    formula="ℓ(βΔ̄ − γ_i), γ_i from a margin of your choice",
    source="this project, after arXiv:2405.14734, eq. 6",
    options=MarginSimPOOptions,
    function=margin_simpo,
    needs=frozenset({"lengths"}),
    uses=frozenset({"scores"}),
    couples=True,
    initial_state=initial_state,
    limits="margin = fixed is simpo; margin = kl_optimal is gamma_simpo",
    notes="As the margin treats it; within its margin no pair's weight redescends.",
)
