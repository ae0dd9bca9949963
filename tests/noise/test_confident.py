"""Confident flips take the clearest pairs first."""

from gammapo import noise


def test_the_largest_gaps_are_flipped(scored):
    done = noise.corrupt(scored, "confident", rate=0.3, seed=0)
    assert set(done.manifest.flipped) == {f"p{i:03}" for i in range(70, 100)}
    assert done.manifest.changed["p099"].why == "score gap 99, number 1 from the largest"


def test_the_seed_breaks_ties(make_pair):
    equal = [make_pair(i, gap=1.0) for i in range(50)]
    picks = {noise.corrupt(equal, "confident", rate=0.2, seed=seed).manifest.flipped for seed in range(5)}
    assert len(picks) == 5
