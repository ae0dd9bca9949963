"""Statements of docs/idea.md that can be checked by numbers."""

from pathlib import Path

import pytest
import torch

from gammapo.losses.label_noise import LabelNoise, label_clarity
from gammapo.losses.parts import log_loss
from gammapo.margins import kl_optimal

DOCS = Path(__file__).parents[2] / "docs"
R = torch.linspace(-40, 40, 4001, dtype=torch.float64)


def even(r: torch.Tensor, gamma: float) -> torch.Tensor:
    return (log_loss(r - gamma) + log_loss(-r - gamma)) / 2


def test_its_figures_exist():
    for name in ("idea-force.svg", "idea-trust.svg"):
        assert f"(figures/{name})" in (DOCS / "idea.md").read_text()
        assert (DOCS / "figures" / name).read_text().startswith("<svg")


def test_flips_take_nothing_away_from_the_even_part():
    """Section 2, (1): the expectation over flips is E + (1 − 2ε)O."""
    gamma, rate = 1.5, 0.3
    noisy = (1 - rate) * log_loss(R - gamma) + rate * log_loss(-R - gamma)
    odd = (log_loss(R - gamma) - log_loss(-R - gamma)) / 2
    assert torch.allclose(noisy, even(R, gamma) + (1 - 2 * rate) * odd)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_the_even_part_rests_at_gap_0(gamma):
    """Section 2: so SimPO's rests at indifference, and an anchored gap's at the reference."""
    assert R[even(R, gamma).argmin()].item() == pytest.approx(0, abs=1e-9)


def test_without_a_margin_labels_enter_linearly():
    """Section 2: at γ = 0, O(r) = −r/2."""
    assert torch.allclose((log_loss(R) - log_loss(-R)) / 2, -R / 2)


def test_a_margin_weakens_the_even_part_near_0():
    """Section 2: its curvature at 0 is σ(γ)σ(−γ), largest without a margin."""
    step = torch.tensor([-1e-3, 0.0, 1e-3], dtype=torch.float64)
    curvature = [even(step, gamma).diff(n=2).item() / 1e-6 for gamma in (0.0, 1.0, 2.5)]
    assert curvature[0] == pytest.approx(0.25, rel=1e-4)
    assert curvature[0] > curvature[1] > curvature[2]


def test_gamma_po_never_redescends():
    """Section 5: the weight σ(γ − r) falls with r, whatever τ."""
    r = torch.linspace(-10, 10, 200, dtype=torch.float64)
    for tau in (0.3, 1.0, 3.0, 100.0):
        assert (torch.sigmoid(kl_optimal(r, 3.0, tau) - r).diff() < 0).all()


def test_clarity_is_bayes_rule():
    """Section 6, (4): (1−ε)σ(kD)/P = σ(logit(1−ε) + kD)."""
    rate, slope = torch.tensor(0.2, dtype=torch.float64), torch.tensor(0.7, dtype=torch.float64)
    right = (1 - rate) * torch.sigmoid(slope * R)
    given = rate + (1 - 2 * rate) * torch.sigmoid(slope * R)
    assert torch.allclose(label_clarity(R, LabelNoise(rate=rate, slope=slope)), right / given)
