"""After length-biased noise the longer answer is labelled better, and no pair is flipped the other way."""

from gammapo import noise


def test_every_flip_makes_the_longer_answer_better(scored):
    done = noise.corrupt(scored, "length_biased", rate=0.3, seed=0)
    flips = [pair for pair in done.pairs if pair.id in done.manifest.flipped]
    assert len(flips) == 30
    assert all(len(pair.chosen) > len(pair.rejected) for pair in flips)


def test_larger_excess_is_flipped_sooner(make_pair):
    slight = [make_pair(i, chosen="x" * 100, rejected="x" * 101) for i in range(100)]
    strong = [make_pair(i, chosen="x" * 100, rejected="x" * 1000) for i in range(100, 200)]
    done = noise.corrupt(slight + strong, "length_biased", rate=0.25, seed=0)
    assert sum(name >= "p100" for name in done.manifest.flipped) >= 49
