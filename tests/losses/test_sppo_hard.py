"""SPPO: (h_w − 1/(2β))² + (h_l + 1/(2β))²."""

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("sppo_hard", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """β = 0.5: (4 − 1)² + (−6 + 1)² = 34."""
    assert loss_of(pairs(), beta=0.5) == pytest.approx([34])


def test_no_loss_at_half_a_win_and_half_a_loss(pairs):
    assert loss_of(pairs([1.0], [-1.0]), beta=0.5) == pytest.approx([0])
