"""α-DPO: margins spread by the z-score of the anchored gap."""

import math

import pytest

from gammapo import losses


def loss_of(batch, **options):
    return losses.create("alpha_dpo", **options)(batch).per_pair.tolist()


def test_margins_by_hand(pairs):
    """Two pairs have z-scores ±1, so γ_i = γ ± βα = 1 ± 0.2."""
    batch = pairs([4.0, -6.0], [-6.0, 4.0], n_w=4.0)
    out = losses.create("alpha_dpo", beta=2, gamma=1, alpha=0.1)(batch)
    assert out.target_margins.tolist() == pytest.approx([1.2, 0.8])
    z = [2 * 2.5 - 1.2, -2 * 2.5 - 0.8]
    assert out.per_pair.tolist() == pytest.approx([math.log1p(math.exp(-value)) for value in z])


def test_alpha_0_is_simpo(both):
    simpo = losses.create("simpo", beta=2, gamma=1)(both)
    assert loss_of(both, beta=2, gamma=1, alpha=0) == pytest.approx(simpo.per_pair.tolist())


def test_one_pair_has_the_plain_margin(pairs):
    assert losses.create("alpha_dpo", gamma=1)(pairs()).target_margins.tolist() == [1]
