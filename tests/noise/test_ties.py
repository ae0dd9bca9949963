"""Ties get a random label: half of the pairs with the smallest gaps are flipped."""

from gammapo import noise


def test_half_of_the_smallest_gaps_are_flipped(scored):
    done = noise.corrupt(scored, "ties", rate=0.2, seed=0)
    numbers = sorted(int(name[1:]) for name in done.manifest.flipped)
    assert len(numbers) == 20
    assert max(numbers) < 40
    assert [number // 2 for number in numbers] == list(range(20))


def test_exact_ties_are_named(make_pair):
    done = noise.corrupt([make_pair(i, gap=0.0) for i in range(10)], "ties", rate=0.5, seed=0)
    assert {change.why for change in done.manifest.changed.values()} == {"an exact tie, given a random label"}
