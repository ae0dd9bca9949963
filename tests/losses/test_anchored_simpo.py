"""SimPO on the reference-anchored gap."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("anchored_simpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """Δ̄ − Δ̄_ref = 4/2 + 6/4 = 3.5; β = 2, γ = 1: z = 6."""
    assert loss_of(pairs(), beta=2, gamma=1) == pytest.approx([math.log1p(math.exp(-6))])


def test_a_reference_of_even_log_probs_gives_simpo(pairs):
    """−20 over 4 tokens each: the reference has no gap, so anchoring changes nothing."""
    batch = pairs(n_w=4.0)
    assert loss_of(batch) == pytest.approx([losses.create("simpo")(batch).loss.item()])


def test_the_reference_itself_has_gap_0(pairs):
    assert loss_of(pairs([0.0], [0.0]), gamma=0) == pytest.approx([math.log(2)])
