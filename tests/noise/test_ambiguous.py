"""Ambiguous flips fall mostly, not only, on small gaps."""

import math

from gammapo import noise


def test_frequency_follows_the_weight(scored):
    """One flip in 100 (rate 0.01) is drawn in proportion to σ(−2·gap/median), median gap 49.5."""
    seeds = 1200
    small = 0
    for seed in range(seeds):
        (name,) = noise.corrupt(scored, "ambiguous", rate=0.01, seed=seed).manifest.changed
        small += int(name[1:]) < 20
    weights = [1 / (1 + math.exp(2 * gap / 49.5)) for gap in range(100)]
    expected = sum(weights[:20]) / sum(weights)
    assert expected > 0.35
    assert abs(small / seeds - expected) < 4 * math.sqrt(expected * (1 - expected) / seeds)


def test_larger_slope_flips_smaller_gaps(scored):
    def mean_gap(slope):
        changed = noise.corrupt(scored, "ambiguous", rate=0.3, seed=1, slope=slope).manifest.changed
        return sum(int(name[1:]) for name in changed) / len(changed)

    assert mean_gap(50.0) < mean_gap(2.0) < mean_gap(0.01)
