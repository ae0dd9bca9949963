"""Errors cluster by annotator, and an annotator holds whole prompts."""

from dataclasses import replace

import pytest

from gammapo import noise


def error_rates(pairs, **options):
    """Annotator → share of that annotator's pairs that were flipped, at a rate of 0.3."""
    owner = noise.corrupt(pairs, "annotator_mix", rate=1.0, seed=0, **options).manifest.changed
    wrong = noise.corrupt(pairs, "annotator_mix", rate=0.3, seed=0, **options).manifest.changed
    sizes, errors = {}, {}
    for name, change in owner.items():
        sizes[change.why] = sizes.get(change.why, 0) + 1
        errors[change.why] = errors.get(change.why, 0) + (name in wrong)
    return {who: errors[who] / sizes[who] for who in sorted(sizes)}


def test_reliability_differs_as_asked(make_pair):
    """In a weighted draw pair i is taken by time t with probability 1 − e^{−w t}. With weights 1, 2, 4, 8, 16
    in equal parts, t = 0.067 takes 30 % of all: 6.5, 12.5, 23.5, 41.5 and 65.8 % of each annotator's."""
    pairs = [make_pair(i) for i in range(10_000)]
    rates = list(error_rates(pairs).values())
    assert rates == pytest.approx([0.065, 0.125, 0.235, 0.415, 0.658], abs=0.035)  # 3 standard deviations
    assert list(error_rates(pairs, ratio=1.0).values()) == pytest.approx([0.3] * 5, abs=0.035)


def test_one_prompt_has_one_annotator(make_pair):
    first = make_pair(0)
    pairs = [replace(make_pair(i), prompt=first.prompt) for i in range(20)]
    changed = noise.corrupt(pairs, "annotator_mix", rate=1.0, seed=0).manifest.changed
    assert len({change.why for change in changed.values()}) == 1
