"""Target margins: how much better the chosen answer must be, pair by pair. `create(name, **options)`."""

from gammapo.margins.fixed import fixed
from gammapo.margins.kl_optimal import kl_optimal
from gammapo.margins.posterior import posterior
from gammapo.margins.score_gap import score_gap
from gammapo.margins.spec import Gaps, Margin, MarginSpec, create, names

__all__ = [
    "Gaps",
    "Margin",
    "MarginSpec",
    "create",
    "fixed",
    "kl_optimal",
    "names",
    "posterior",
    "score_gap",
]
