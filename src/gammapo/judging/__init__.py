"""Judging answers: `create(spec)` makes a judge, `create_scorer(spec)` a scorer, from a SPEC string."""

from gammapo.judging.estimate import Budget, Estimate
from gammapo.judging.factory import create, create_scorer, kinds
from gammapo.judging.outputs import annotation_rows, pair_outputs
from gammapo.judging.scorers import ScorerJudge, checked_scores
from gammapo.judging.spec import Comparison, Judge, Scorer

__all__ = [
    "Budget",
    "Comparison",
    "Estimate",
    "Judge",
    "Scorer",
    "ScorerJudge",
    "annotation_rows",
    "checked_scores",
    "create",
    "create_scorer",
    "kinds",
    "pair_outputs",
]
