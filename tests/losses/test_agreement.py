"""How far labels agree with the model on fresh pairs."""

import pytest
import torch

from gammapo.losses.agreement import agreement, trust


def gaps(wrong: float, size: int = 4000, seed: int = 0) -> torch.Tensor:
    """Sizes of |N(0, 1)|; a share of signs is turned, whatever the size."""
    draw = torch.Generator().manual_seed(seed)
    sizes = torch.randn(size, generator=draw).abs()
    return torch.where(torch.rand(size, generator=draw) < wrong, -sizes, sizes)


def test_by_hand():
    found, error = agreement(torch.tensor([3.0, -1.0]))
    assert found.item() == pytest.approx(0.5)
    assert error.item() == pytest.approx(10**0.5 / 4)


def test_it_knows_no_scale():
    assert agreement(gaps(0.2))[0].item() == pytest.approx(agreement(1e-3 * gaps(0.2))[0].item())


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3, 0.4, 0.5])
def test_flips_shrink_it_by_1_minus_twice_their_rate(rate):
    found, error = agreement(gaps(rate))
    assert abs(found.item() - (1 - 2 * rate)) < 4 * error.item()


def test_the_error_is_that_of_random_labels():
    spread = torch.stack([agreement(gaps(0.5, size=200, seed=seed))[0] for seed in range(400)]).std()
    assert spread.item() == pytest.approx(agreement(gaps(0.5, size=200))[1].item(), rel=0.15)


def test_trust_is_0_without_evidence_and_1_from_full_agreement_on():
    assert trust(torch.zeros(0), 0.5).item() == 0
    assert trust(torch.zeros(9), 0.5).item() == 0
    assert trust(torch.ones(3), 0.5).item() < 1  # three pairs are little evidence
    assert trust(gaps(0.0), 0.5).item() == 1
    assert trust(-gaps(0.0), 0.5).item() == 0
    assert trust(gaps(0.35), 0.5).item() == pytest.approx(0.6, abs=0.1)
