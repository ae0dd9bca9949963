"""CPO: ℓ(β(s_w − s_l)) − α s̄_w."""

import math

import pytest

from gammapo import losses

L1 = math.log1p(math.exp(-1))  # ℓ(1)


def loss_of(batch, **options):
    return losses.create("cpo", **options)(batch).per_pair.tolist()


def test_value_by_hand(pairs):
    """β·10 = 1; s̄_w = −16/2 = −8."""
    assert loss_of(pairs(), alpha=1) == pytest.approx([L1 + 8])
    assert loss_of(pairs(), alpha=0) == pytest.approx([L1])
