"""From evidence to the probability that a label is wrong, and the share of wrong labels.

The model has two parameters. A pair's evidence z (positive where the model agrees with the label) says how
likely the label's side is truly better: σ(kz). The label is wrong with probability ε whatever the pair. Then
a label agrees with the model's opinion with probability (1−ε)·σ(kz) + ε·σ(−kz): however sure the model,
agreement levels off at 1−ε, and that level tells ε. The probability of a wrong label follows by Bayes' rule.

Wrong labels that depend on the pair break the model: where they fall on the clearest pairs the model learns
them, and where they fall on the hardest they look like honest doubt and ε comes out near zero. A
model that has memorised its labels agrees with all of them, and ε is too low as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_expit

MAX_RATE = 0.5
GROUPS = 4096  # of evidence, beyond which the bootstrap fits groups of like pairs in place of pairs
STARTS = ((0.02, 1.0), (0.2, 1.0), (0.4, 4.0))  # (rate, slope) from which the fit is tried


@dataclass(frozen=True, kw_only=True)
class NoiseFit:
    """`rate` is ε in [0, 0.5]; `slope` is k, in units of 1 / evidence."""

    rate: float
    slope: float


def fit_noise(evidence: np.ndarray, weights: np.ndarray | None = None) -> NoiseFit:
    """Maximum likelihood of ε and k.

    Args:
        evidence: (n,) as in `Evidence.mean`.
        weights: (n,) how many pairs each stands for; None for one each.
    """
    z = np.asarray(evidence, dtype=float)

    def mean(values: np.ndarray) -> float:
        return float(np.mean(values) if weights is None else np.average(values, weights=weights))

    def negative(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        rate, slope = MAX_RATE * expit(parameters[0]), np.exp(parameters[1])
        right = np.exp(log_expit(slope * z))
        agree = (1 - rate) * right + rate * (1 - right)
        agree = np.maximum(agree, 1e-300)
        d_rate = -mean((1 - 2 * right) / agree) * rate * (1 - rate / MAX_RATE)
        d_slope = -mean((1 - 2 * rate) * right * (1 - right) * z / agree) * slope
        return -mean(np.log(agree)), np.array([d_rate, d_slope])

    fits = [
        minimize(
            negative,
            [np.log(rate / (MAX_RATE - rate)), np.log(slope)],
            jac=True,
            method="L-BFGS-B",
            bounds=[(-10, 10), (-6, 5)],
        )
        for rate, slope in STARTS
    ]
    best = min(fits, key=lambda fit: fit.fun)
    return NoiseFit(rate=float(MAX_RATE * expit(best.x[0])), slope=float(np.exp(best.x[1])))


def flip_probability(evidence: np.ndarray, fit: NoiseFit) -> np.ndarray:
    """(n,) probability that each label is wrong: εσ(−kz) / [(1−ε)σ(kz) + εσ(−kz)]."""
    z = np.asarray(evidence, dtype=float)
    rate = np.clip(fit.rate, 1e-9, MAX_RATE)
    # the log-odds of a wrong label, log ε/(1−ε) − kz, since σ(−x)/σ(x) = e^{−x}
    return expit(np.log(rate / (1 - rate)) - fit.slope * z)


def rate_interval(
    evidence: np.ndarray, *, seed: int = 0, resamples: int = 200, level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of ε over pairs. It holds the sampling error, not a wrong model.

    Of more than 4,096 pairs, those of like evidence are fitted as one, at their mean, or 60,000 pairs would
    take minutes.
    """
    generator = np.random.default_rng(seed)
    z = np.asarray(evidence, dtype=float)
    if len(z) <= GROUPS:
        rates = [fit_noise(generator.choice(z, len(z))).rate for _ in range(resamples)]
    else:
        parts = np.array_split(np.sort(z), GROUPS)
        means, shares = np.array([part.mean() for part in parts]), np.array([len(part) for part in parts])
        draws = generator.multinomial(len(z), shares / len(z), size=resamples)
        rates = [fit_noise(means, weights=drawn).rate for drawn in draws]
    low, high = np.quantile(rates, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
