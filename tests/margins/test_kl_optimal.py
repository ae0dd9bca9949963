"""The exact solver against an independent optimiser, hand-derived values and the paper's own facts."""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import brentq, minimize

from gammapo.errors import InputError
from gammapo.margins import kl_optimal

solver = sys.modules["gammapo.margins.kl_optimal"]
SETTINGS = [(3.0, 3.0), (3.0, 1.0), (3.0, 0.1), (10.0, 1.0), (0.5, 20.0), (5.0, 0.05)]


def gaps(scale=3.0, size=64, seed=0):
    return scale * torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def objective(margins, r, gamma0, tau):
    """(1/B) Σ ℓ(r − γ) + τ KL(p ‖ uniform), written from the definition."""
    p = margins / (gamma0 * len(r))
    return np.logaddexp(0, margins - r).mean() + tau * np.sum(p * np.log(p * len(p)))


def stationarity(margins, r, gamma0, tau):
    """Spread over the pairs of γ₀ σ(γ_i − r_i) + τ log(γ_i/γ₀); 0 at the optimum."""
    multiplier = gamma0 * torch.sigmoid(margins - r) + tau * (margins / gamma0).log()
    return (multiplier.max() - multiplier.min()).item()


@pytest.mark.parametrize(("gamma0", "tau"), SETTINGS)
@pytest.mark.parametrize("scale", [0.3, 3.0, 50.0])
def test_every_pair_agrees_on_one_multiplier(gamma0, tau, scale):
    r = gaps(scale, 512)
    margins = kl_optimal(r, gamma0, tau)
    assert stationarity(margins, r, gamma0, tau) < 1e-8
    assert margins.mean().item() == pytest.approx(gamma0, rel=1e-12)


@pytest.mark.parametrize(("gamma0", "tau"), [(3.0, 3.0), (3.0, 1.0), (2.0, 0.5)])
def test_agrees_with_a_general_optimiser(gamma0, tau):
    """scipy's SLSQP on the objective over the simplex, which knows nothing of the dual."""
    r = gaps(2.0, 6).numpy()
    start = np.full(6, gamma0)
    found = minimize(
        lambda margins: objective(margins, r, gamma0, tau),
        start,
        method="SLSQP",
        bounds=[(1e-9, 6 * gamma0)] * 6,
        constraints={"type": "eq", "fun": lambda margins: margins.mean() - gamma0},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    ours = kl_optimal(torch.tensor(r), gamma0, tau).numpy()
    assert ours == pytest.approx(found.x, abs=2e-5)
    assert objective(ours, r, gamma0, tau) <= found.fun + 1e-12


@pytest.mark.parametrize("steep", [37, 75, 100])
@pytest.mark.parametrize("stop", [True, False])
def test_steep_margins_are_exact_too(steep, stop):
    """Near the largest γ₀/τ, where Newton's method creeps along the steep side of an exponential."""
    worst = 0.0
    for size, scale, gamma0, shift in itertools.product((4, 32), (5.0, 30.0), (1.0, 10.0), (-50, -5, 5)):
        for seed in range(3):
            r = gaps(scale, size, seed) + shift
            found = solver._solve(r, gamma0, float(steep), stop=stop)
            found = found * gamma0 / found.mean()
            worst = max(worst, stationarity(found, r, gamma0, gamma0 / steep) / gamma0)
    assert worst < 1e-7


def test_two_pairs_by_a_scalar_root():
    """With B = 2, γ₂ = 2γ₀ − γ₁, so that one equation in γ₁ is left, which Brent's method solves."""
    r, gamma0, tau = (4.0, -1.0), 3.0, 1.0

    def side(margin, gap):
        return gamma0 / (1 + math.exp(gap - margin)) + tau * math.log(margin / gamma0)

    first = brentq(
        lambda m: side(m, r[0]) - side(2 * gamma0 - m, r[1]), 1e-12, 2 * gamma0 - 1e-12, xtol=1e-13
    )
    assert kl_optimal(torch.tensor(r, dtype=torch.float64), gamma0, tau).tolist() == pytest.approx(
        [first, 2 * gamma0 - first], abs=1e-9
    )


def test_certain_pairs_by_hand():
    """One gap at +∞ (σ = 0) and one at −∞ (σ = 1): τ log q₁ = γ₀ + τ log q₂, so q₁/q₂ = e^{γ₀/τ}.

    With γ₀ = 3, τ = 3 and q₁ + q₂ = 2: q₂ = 2/(1+e), γ = (6e/(1+e), 6/(1+e)).
    """
    margins = kl_optimal(torch.tensor([1e4, -1e4]), 3.0, 3.0)
    assert margins.tolist() == pytest.approx([6 * math.e / (1 + math.e), 6 / (1 + math.e)], rel=1e-6)


def test_right_where_twenty_mirror_descent_steps_cycle():
    """γ₀²/(4τ) ≥ 2 at γ₀ = 3, τ = 1: the published iteration is off by more than 0.8 there."""
    r = gaps(2.0, 64, seed=1)
    q, rate = torch.ones_like(r), min(0.5 / 1.0, 1)
    for _ in range(20):
        q = q * torch.exp(-rate * (3 * torch.sigmoid(3 * q - r) + q.log()))
        q = q / q.mean()
    exact = kl_optimal(r, 3.0, 1.0)
    assert stationarity(exact, r, 3.0, 1.0) < 1e-9
    assert (3 * q - exact).abs().max() > 0.8


@pytest.mark.parametrize(("gamma0", "tau"), SETTINGS)
def test_facts_of_the_paper(gamma0, tau):
    r = gaps(5.0, 256).sort().values
    margins = kl_optimal(r, gamma0, tau)
    assert (margins > 0).all()
    assert (margins.diff() >= 0).all(), "a larger gap never gets a smaller margin"
    assert margins.max() / margins.min() <= math.exp(gamma0 / tau) * (1 + 1e-9)


def test_slope_is_between_0_and_1():
    r, step = gaps(3.0, 32), 1e-5
    for index in range(len(r)):
        moved = r.clone()
        moved[index] += step
        slope = (kl_optimal(moved, 3.0, 1.0) - kl_optimal(r, 3.0, 1.0))[index].item() / step
        assert 0 < slope < 1


def test_large_tau_gives_the_fixed_margin():
    r = gaps()
    assert kl_optimal(r, 3.0, 1e9).tolist() == pytest.approx([3.0] * len(r), abs=1e-7)
    assert kl_optimal(r, 3.0, math.inf).tolist() == [3.0] * len(r)


def test_zero_margin_single_pair_and_equal_gaps():
    assert kl_optimal(gaps(), 0.0, 1.0).tolist() == [0.0] * 64
    assert kl_optimal(torch.tensor([2.0]), 3.0, 1.0).tolist() == [3.0]
    assert kl_optimal(torch.full((7,), -2.0), 3.0, 1.0).tolist() == pytest.approx([3.0] * 7)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_safe_in_low_precision_at_extreme_gaps(dtype):
    r = torch.tensor([-1e4, -5.0, 0.0, 5.0, 1e4], dtype=dtype)
    margins = kl_optimal(r, 3.0, 1.0)
    assert margins.dtype == dtype
    assert margins.double().tolist() == pytest.approx(
        kl_optimal(r.double(), 3.0, 1.0).tolist(), rel=1e-6 if dtype == torch.float32 else 1e-2
    )


def test_infinite_gaps_do_not_spoil_the_rest():
    margins = kl_optimal(torch.tensor([math.inf, -math.inf, 1.0, 2.0]), 3.0, 3.0)
    assert torch.isfinite(margins).all()


def test_order_of_pairs_does_not_matter():
    r = gaps()
    order = torch.randperm(len(r), generator=torch.Generator().manual_seed(3))
    assert torch.allclose(kl_optimal(r, 3.0, 1.0)[order], kl_optimal(r[order], 3.0, 1.0), atol=1e-9)


@pytest.mark.parametrize(("gamma0", "tau"), [*SETTINGS, (10.0, 0.1), (50.0, 1.0)])
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_the_fixed_number_of_steps_that_accelerators_take_is_enough(gamma0, tau, scale):
    """On an accelerator the loop never looks whether it has converged; it must have, and must stay there."""
    r = gaps(scale, 2048)
    blind = solver._solve(r, gamma0, gamma0 / tau, stop=False)
    assert torch.allclose(blind, kl_optimal(r, gamma0, tau), rtol=1e-7, atol=1e-9)


def test_no_gradient_flows_through_the_margins():
    r = gaps().requires_grad_()
    assert not kl_optimal(r, 3.0, 1.0).requires_grad


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"shape \(B,\)"):
        kl_optimal(torch.zeros(2, 2))
    with pytest.raises(InputError, match="tau"):
        kl_optimal(torch.zeros(2), 3.0, 0.0)
    with pytest.raises(InputError, match="at least gamma0 / 100"):
        kl_optimal(torch.zeros(2), 3.0, 0.001)
