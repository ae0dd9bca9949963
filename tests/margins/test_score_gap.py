"""γ₀ min(cap, max(0, R_w − R_l)/scale), by hand."""

import pytest
import torch

from gammapo import margins
from gammapo.errors import InputError


def test_values_by_hand():
    """γ₀ = 3, scale 2, cap 2: gaps −1, 0, 1, 2, 9 give 0, 0, 1.5, 3, 6."""
    gaps = torch.tensor([-1.0, 0.0, 1.0, 2.0, 9.0])
    assert margins.score_gap(gaps, gamma0=3.0, scale=2.0, cap=2.0).tolist() == [0, 0, 1.5, 3, 6]


def test_missing_scores_are_named():
    margin = margins.create("score_gap")
    with pytest.raises(InputError, match="needs scores"):
        margin(margins.Gaps(reward=torch.zeros(2)))
    assert margin(margins.Gaps(reward=torch.zeros(2), score=torch.ones(2))).tolist() == [3, 3]
