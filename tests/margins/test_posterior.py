"""The mixture posterior on gaps drawn from the mixture itself."""

import pytest
import torch

from gammapo import margins
from gammapo.margins.posterior import clarity


def mixture(flips, size=4000, mu=2.0, seed=0):
    """Gaps of N(2, 1) for right labels and N(−2, 1) for flipped ones, and which are right."""
    draw = torch.Generator().manual_seed(seed)
    right = torch.rand(size, generator=draw) >= flips
    return torch.where(right, mu, -mu) + torch.randn(size, generator=draw), right


@pytest.mark.parametrize("flips", [0.1, 0.3])
def test_posterior_is_calibrated_where_its_model_holds(flips):
    """Its mean is the share of right labels, and 0.5 is crossed where the exact posterior crosses it."""
    gaps, right = mixture(flips)
    c = clarity(gaps)
    assert c.mean().item() == pytest.approx(1 - flips, abs=0.03)
    exact = torch.sigmoid(torch.tensor((1 - flips) / flips).log() + 2 * 2.0 * gaps)
    assert (c - exact).abs().mean() < 0.05
    assert ((c > 0.5) == right).float().mean() > 0.95


def test_margins_fall_with_the_posterior_and_on_average_with_noise():
    clean, noisy = (margins.posterior(mixture(flips)[0], gamma0=3.0) for flips in (0.05, 0.4))
    assert noisy.mean() < clean.mean() - 0.5
    gaps = mixture(0.3)[0].sort().values
    assert (margins.posterior(gaps).diff() >= 0).all()


def test_lam_0_is_the_fixed_margin():
    assert margins.posterior(mixture(0.3, 8)[0], gamma0=3.0, lam=0.0).tolist() == [3.0] * 8


def test_window_gives_company_to_a_small_step():
    gaps, _ = mixture(0.3)
    doubtful = gaps.abs().argmin()
    few = torch.stack([gaps[doubtful], gaps.max()])
    alone, placed = clarity(few), clarity(few, window=gaps)
    assert placed[0].item() == pytest.approx(clarity(gaps)[doubtful].item(), abs=0.02)
    assert not torch.allclose(alone, placed, atol=1e-2)


def test_extreme_and_equal_gaps_stay_finite():
    for gaps in (torch.tensor([1e4, -1e4, 0.0]), torch.zeros(3), torch.ones(1)):
        assert torch.isfinite(margins.posterior(gaps)).all()
