"""The two-parameter model: found again from its own draws, calibrated, honest about its interval."""

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from gammapo.audit import NoiseFit, fit_noise, flip_probability, posterior, rate_interval


def draws(rate, slope, n, seed=0):
    """Evidence and truth from the model: an opinion x, a true side with P = σ(slope·x), labels flipped."""
    rng = np.random.default_rng(seed)
    opinion = rng.normal(size=n)
    true_side = np.where(rng.random(n) < 1 / (1 + np.exp(-slope * opinion)), 1, -1)
    flipped = rng.random(n) < rate
    return opinion * true_side * np.where(flipped, -1, 1), flipped


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.3, 0.4])
def test_parameters_are_found_again(rate):
    evidence, _ = draws(rate, 5.0, 20_000)
    fit = fit_noise(evidence)
    assert fit.rate == pytest.approx(rate, abs=0.02)
    assert fit.slope == pytest.approx(5.0, rel=0.3)


def test_probability_is_bayes_rule_and_calibrated():
    """ε = 0.2 and kz = ln 3, so σ = ¾: P = 0.2·¼ / (0.8·¾ + 0.2·¼) = 1/13.
    At kz = −ln 3: P = 0.2·¾ / (0.8·¼ + 0.2·¾) = 3/7. At 0: ε."""
    fit = NoiseFit(rate=0.2, slope=1.0)
    said = flip_probability(np.array([np.log(3), -np.log(3), 0.0]), fit)
    assert said == pytest.approx([1 / 13, 3 / 7, 0.2])
    evidence, flipped = draws(0.3, 5.0, 20_000)
    probability = flip_probability(evidence, fit_noise(evidence))
    for part in np.array_split(np.argsort(probability), 5):
        assert probability[part].mean() == pytest.approx(flipped[part].mean(), abs=0.04)


def test_extreme_evidence_stays_finite():
    fit = fit_noise(np.array([1e6, -1e6, 0.0, 1e-12] * 10))
    assert 0 <= fit.rate <= 0.5
    said = flip_probability(np.array([1e9, -1e9]), NoiseFit(rate=0.0, slope=100.0))
    assert np.isfinite(said).all()


def test_the_interval_covers_and_shrinks():
    few, _ = draws(0.3, 5.0, 300)
    many, _ = draws(0.3, 5.0, 6000)
    low, high = rate_interval(few, resamples=100)
    tight_low, tight_high = rate_interval(many, resamples=100)
    assert low < 0.3 < high
    assert tight_low < 0.3 < tight_high
    assert tight_high - tight_low < (high - low) / 2
    assert rate_interval(few, resamples=100) == (low, high)


def test_groups_of_like_pairs_give_the_interval_of_the_pairs(monkeypatch):
    """60,000 pairs took two minutes; 4,096 groups of them take seconds."""
    evidence, _ = draws(0.3, 5.0, 3000)
    exact = rate_interval(evidence, resamples=200)
    monkeypatch.setattr(posterior, "GROUPS", 500)
    assert rate_interval(evidence, resamples=200) == pytest.approx(exact, abs=0.015)


def test_no_better_fit_is_nearby():
    """The fit is a stationary point of the likelihood, written out here in full."""
    evidence, _ = draws(0.25, 4.0, 2000)
    fit = fit_noise(evidence)

    def negative(parameters):
        right = 1 / (1 + np.exp(-parameters[1] * evidence))
        return -np.mean(np.log((1 - parameters[0]) * right + parameters[0] * (1 - right)))

    gradient = approx_fprime(np.array([fit.rate, fit.slope]), negative, 1e-6)
    assert np.abs(gradient).max() < 1e-3
