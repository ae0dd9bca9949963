"""Hard-pair flips take the smallest gaps first, whichever way the label stands."""

from dataclasses import replace

from gammapo import noise


def test_the_smallest_gaps_are_flipped(scored):
    upside_down = [replace(pair, chosen_score=0.0, rejected_score=pair.chosen_score) for pair in scored]
    for pairs in (scored, upside_down):
        done = noise.corrupt(pairs, "hard_pair", rate=0.3, seed=0)
        assert set(done.manifest.flipped) == {f"p{i:03}" for i in range(30)}
