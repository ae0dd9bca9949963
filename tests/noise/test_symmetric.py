"""Symmetric flips fall everywhere alike."""

from gammapo import noise


def test_flips_are_spread_evenly(scored):
    """Over 200 seeds a pair is flipped 60 times at rate 0.3, standard deviation √(200·0.3·0.7) = 6.5."""
    counts = dict.fromkeys((pair.id for pair in scored), 0)
    for seed in range(200):
        for name in noise.corrupt(scored, "symmetric", rate=0.3, seed=seed).manifest.changed:
            counts[name] += 1
    assert sum(counts.values()) == 200 * 30
    assert all(60 - 4.5 * 6.5 < count < 60 + 4.5 * 6.5 for count in counts.values())
