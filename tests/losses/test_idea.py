"""Statements of docs/idea.md that can be checked by numbers."""

from pathlib import Path

import pytest
import torch

from gammapo.losses.bounded import bounded_loss
from gammapo.losses.label_noise import LabelNoise, label_clarity
from gammapo.margins import kl_optimal

DOCS = Path(__file__).parents[2] / "docs"
R = torch.linspace(-40, 40, 4001, dtype=torch.float64)


def test_its_figures_exist():
    for name in ("idea-pull.svg", "idea-noise.svg"):
        assert f"(figures/{name})" in (DOCS / "idea.md").read_text()
        assert (DOCS / "figures" / name).read_text().startswith("<svg")


def test_gamma_po_never_redescends():
    """Section 2: the weight σ(γ − r) falls with r, whatever τ."""
    r = torch.linspace(-10, 10, 200, dtype=torch.float64)
    for tau in (0.3, 1.0, 3.0, 100.0):
        assert (torch.sigmoid(kl_optimal(r, 3.0, tau) - r).diff() < 0).all()


def test_clarity_is_bayes_rule():
    """Section 3, (2): (1−ε)σ(kr)/P = σ(logit(1−ε) + kr)."""
    rate, slope = torch.tensor(0.2, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    right = (1 - rate) * torch.sigmoid(slope * R)
    given = rate + (1 - 2 * rate) * torch.sigmoid(slope * R)
    assert torch.allclose(label_clarity(R, LabelNoise(rate=rate, slope=slope)), right / given)


@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_bounds_of_the_noise_term_without_a_margin(q):
    """Section 4: L_q(r) + L_q(−r) lies between (2 − 2^{1−q})/q, at r = 0, and 1/q, at large |r|."""
    power = torch.tensor(q, dtype=torch.float64)
    both = bounded_loss(R, power) + bounded_loss(-R, power)
    assert both.min().item() == pytest.approx((2 - 2 ** (1 - q)) / q)
    assert both.max().item() == pytest.approx(1 / q, rel=1e-4)


def test_a_margin_breaks_the_symmetry():
    """Section 4: at q = 1 the term falls from 2σ(γ) at r = 0 to 1 at large |r|."""
    one = torch.ones((), dtype=torch.float64)
    both = bounded_loss(R - 3, one) + bounded_loss(-R - 3, one)
    assert both[2000].item() == pytest.approx(2 * torch.sigmoid(torch.tensor(3.0)).item())
    assert both[0].item() == pytest.approx(1)
