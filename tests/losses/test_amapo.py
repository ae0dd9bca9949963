"""AMaPO: margins for misranked pairs only."""

import math

import pytest

from gammapo import losses


def test_margins_by_hand(pairs):
    """Δ̄ = (2, 0): μ = 1, σ = √2 (unbiased); the second lags by 1/√2, so γ = (0, βe^{1/√2})."""
    out = losses.create("amapo", beta=2)(pairs([8.0, 0.0], [0.0, 0.0], n_w=4.0))
    margin = 2 * math.exp(1 / math.sqrt(2))
    assert out.target_margins.tolist() == pytest.approx([0, margin])
    assert out.per_pair.tolist() == pytest.approx([math.log1p(math.exp(-4)), math.log1p(math.exp(margin))])


def test_larger_margins_for_worse_ranked_pairs(pairs):
    """The opposite of γ-PO."""
    out = losses.create("amapo")(pairs([12.0, 4.0, 0.0], [0.0] * 3, n_w=4.0))
    margins = out.target_margins.tolist()
    assert margins == sorted(margins)


def test_one_pair_has_no_margin(pairs):
    assert losses.create("amapo")(pairs()).target_margins.tolist() == [0]
