"""R-DPO: ℓ(βΔ + α(|y_w| − |y_l|))."""

import math

import pytest

from gammapo import losses

L1, L_1 = math.log1p(math.exp(-1)), math.log1p(math.exp(1))  # ℓ(1), ℓ(−1)


def loss_of(batch, **options):
    return losses.create("length_dpo", **options)(batch).per_pair.tolist()


def test_a_shorter_winner_must_earn_more(pairs):
    """|y_w| = 2, |y_l| = 4, α = 0.5: the target is 0.5·(4 − 2) = 1; z = 1 − 1 = 0."""
    assert loss_of(pairs(), alpha=0.5) == pytest.approx([math.log(2)])


def test_a_longer_winner_is_partly_explained(pairs):
    """The other way round: z = 1 + 1 = 2."""
    assert loss_of(pairs(n_w=4.0, n_l=2.0), alpha=0.5) == pytest.approx([math.log1p(math.exp(-2))])


def test_it_is_fed_lengths_and_not_batch_sizes(pairs):
    """A batch of two equal pairs has the same per-pair loss as one pair, and not DPO's."""
    one, two = pairs(), pairs([4.0, 4.0], [-6.0, -6.0])
    assert loss_of(two, alpha=0.5) == pytest.approx(loss_of(one, alpha=0.5) * 2)
    assert loss_of(one, alpha=0.5) != pytest.approx([L1])


def test_no_charge_is_dpo(both):
    assert loss_of(both, alpha=0) == pytest.approx([L1, L_1])
