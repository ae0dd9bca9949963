"""IPO: the averaged log-ratio gap is regressed to 1/(2β)."""

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("ipo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """Δ̄ = 4/2 − (−6/4) = 3.5; 1/(2·0.1) = 5; (3.5 − 5)² = 2.25."""
    assert loss_of(pairs()) == pytest.approx([2.25])


def test_no_loss_and_no_pull_at_the_target(pairs):
    out = losses.create("ipo", beta=0.5)(pairs([2.0], [0.0]))
    assert out.loss.item() == pytest.approx(0)
    assert out.weights.item() == pytest.approx(0)
    assert out.reward_gaps.item() == pytest.approx(out.target_margins.item())
