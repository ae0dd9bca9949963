"""AMaPO: margins for misranked pairs only."""

import math
from dataclasses import replace

import pytest
import torch

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


def test_equal_gaps_have_no_margin_whatever_their_rounding(pairs):
    for gap in torch.rand(50, generator=torch.Generator().manual_seed(0)).tolist():
        made = pairs([gap] * 7, [0.0] * 7, n_w=1.0)
        batch = replace(made, chosen=made.chosen.float(), rejected=made.rejected.float())
        assert losses.create("amapo")(batch).target_margins.abs().max() == 0


def test_one_pair_has_no_margin(pairs):
    assert losses.create("amapo")(pairs()).target_margins.tolist() == [0]
