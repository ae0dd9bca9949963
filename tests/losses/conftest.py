"""Small batches with round numbers, so that expected values can be worked out by hand."""

from collections.abc import Callable, Sequence

import pytest
import torch

from gammapo.types import PairLogps


def _pairs(
    h_w: Sequence[float] = (4.0,),
    h_l: Sequence[float] = (-6.0,),
    *,
    reference: float = -20.0,
    n_w: float = 2.0,
    n_l: float = 4.0,
    score_gaps: Sequence[float] | None = None,
) -> PairLogps:
    """Pairs of log-ratios h_w and h_l over a reference that gives every answer the same log-prob.

    As it stands, one pair: Δ = 10, so βΔ = 1 at β = 0.1; s_w = −16 over 2 tokens, s_l = −26 over 4.
    """
    wins, losses = torch.tensor(h_w, dtype=torch.float64), torch.tensor(h_l, dtype=torch.float64)
    same = torch.full_like(wins, reference)
    scores = None if score_gaps is None else torch.tensor(score_gaps, dtype=torch.float64)
    return PairLogps(
        chosen=same + wins,
        rejected=same + losses,
        chosen_length=torch.full_like(wins, n_w),
        rejected_length=torch.full_like(wins, n_l),
        reference_chosen=same,
        reference_rejected=same,
        chosen_score=scores,
        rejected_score=None if scores is None else torch.zeros_like(scores),
    )


@pytest.fixture
def pairs() -> Callable[..., PairLogps]:
    return _pairs


@pytest.fixture
def both() -> PairLogps:
    """One pair at βΔ = 1 and one at βΔ = −1, for β = 0.1."""
    return _pairs([4.0, -6.0], [-6.0, 4.0])
