"""What `world:NAME` stands for where a scorer or judge is asked for."""

from __future__ import annotations

from gammapo.benchmark.worlds.gold import ConstraintScorer
from gammapo.errors import InputError, nearest

SCORERS = {"constraints": ConstraintScorer}


def create_scorer(name: str) -> ConstraintScorer:
    """The gold reward of the world of that name, under the embedded base model.

    Raises:
        InputError: no such world.
    """
    if name not in SCORERS:
        raise InputError(f"no world {name!r}", field="world", expected=nearest(name, list(SCORERS)))
    return SCORERS[name]()
