"""What a repair does, and what makes two repairs the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gammapo.audit import BYS
from gammapo.audit.repair import HOWS
from gammapo.errors import InputError, nearest
from gammapo.training import Recipe

LATER = ("source", "recipe", "seeds")  # a recipe enters by its values, pairs by their content
AS_GIVEN, REPAIRED, CEILING = "as_given", "repaired", "true_labels"


@dataclass(frozen=True, kw_only=True)
class RepairPlan:
    """Everything that decides the result of a repair.

    Args:
        source: the pair file, whose labels may be wrong.
        recipe: how both models are trained; its `data.path` and `output` are not used, its `noise` corrupts
            the training share once, before anything is trained.
        how: what happens to suspects, "flip" or "drop".
        above: probability of a wrong label from which a pair is a suspect.
        seeds: how often both models are trained, with `training.seed` counted up.
        evaluation: held-out pairs; None holds out `holdout` of the prompts of `source`.
        holdout: that share, in (0, 1).
        scorer: a SPEC of `judging.create_scorer`; the models then answer the held-out prompts too.
        by: what judges the labels, one of `audit.BYS`; see there.
        cross_fit: number of folds, to judge labels by models that were not trained on them (and the texts); 0
            judges them by the run on the labels as given.
        ceiling: also train on the true labels, where a noise manifest tells them.
        seed: of the split, the bootstrap and the answers.
    """

    source: str
    recipe: Recipe
    how: str = "flip"
    above: float = 0.5
    seeds: int = 1
    evaluation: str | None = None
    holdout: float = 0.2
    scorer: str | None = None
    max_new_tokens: int = 256
    temperature: float = 0.7
    by: str = "witnesses"
    cross_fit: int = 0
    ceiling: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.how not in HOWS:
            raise InputError(f"unknown {self.how!r}", field="--how", expected=nearest(self.how, list(HOWS)))
        if self.by not in BYS:
            raise InputError(f"unknown {self.by!r}", field="--by", expected=nearest(self.by, list(BYS)))
        if not 0 <= self.above <= 1:
            raise InputError(f"is {self.above}", field="--above", expected="a probability in [0, 1]")
        if not 0 < self.holdout < 1:
            raise InputError(f"is {self.holdout}", field="--holdout", expected="a share between 0 and 1")
        if self.cross_fit == 1 or self.cross_fit < 0:
            raise InputError(
                f"is {self.cross_fit}", field="--cross-fit", expected="0 for none, or at least 2"
            )
        if self.cross_fit and self.by == "ledger":
            raise InputError(
                "is ledger, and a fold's model has no ledger of the pairs that it judges",
                field="--by",
                expected="witnesses, beside --cross-fit",
                fix="leave one of the two out",
            )
        if self.seeds < 1:
            raise InputError(f"is {self.seeds}", field="--seeds", expected="at least 1")
        if self.seed < 0:
            raise InputError(f"is {self.seed}", field="--seed", expected="at least 0")

    @property
    def arms(self) -> tuple[str, ...]:
        return (AS_GIVEN, REPAIRED, CEILING) if self.ceiling else (AS_GIVEN, REPAIRED)

    def identity(self) -> dict[str, Any]:
        """Plain values; two plans with equal ones on equal pairs are the same repair, of which one may have
        more seeds."""
        recipe = self.recipe.model_dump(exclude={"output"}, mode="json")
        recipe["data"].pop("path")
        own = {name: value for name, value in vars(self).items() if name not in LATER}
        return {**own, "recipe": recipe}
