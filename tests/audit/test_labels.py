"""Contradictions, repeats, ties, inversions and the leaning to length, on pairs made for each."""

import math

import pytest
from scipy.stats import binomtest

from gammapo.audit.labels import contradictions_and_repeats, length_bias, ties_and_inversions, wilson


def test_contradictions_name_all_and_repeats_all_but_the_first(pair):
    pairs = [
        pair("1", "Yes.", "No."),
        pair("2", "other", "thing"),
        pair("3", "no. ", "YES."),  # the first, the other way round
        pair("4", "A.", "B."),
        pair("5", "A.", "b."),
        pair("6", "A.", "B.", prompt="another"),
    ]
    against, again = contradictions_and_repeats(pairs)
    assert [(hit.id, hit.detail) for hit in against.hits] == [
        ("1", "with pairs.jsonl:3"),
        ("3", "with pairs.jsonl:1"),
    ]
    assert [(hit.id, hit.detail) for hit in again.hits] == [("5", "with pairs.jsonl:4")]


def test_case_counts_where_the_two_answers_differ_in_nothing_else(pair):
    pairs = [
        pair("1", "HELLO", "hello"),
        pair("2", "hello", "HELLO"),
        pair("3", "HELLO", "Hello"),
        pair("4", "HELLO", "Hello"),
    ]
    against, again = contradictions_and_repeats(pairs)
    assert [hit.id for hit in against.hits] == ["1", "2"]
    assert [(hit.id, hit.detail) for hit in again.hits] == [("4", "with pairs.jsonl:3")]


def test_ties_and_inversions(pair):
    pairs = [pair("1", scores=(1, 1)), pair("2", scores=(1, 2)), pair("3", scores=(2, 1)), pair("4")]
    ties, inverted = ties_and_inversions(pairs)
    assert [hit.id for hit in ties.hits] == ["1"]
    assert [(hit.id, hit.detail) for hit in inverted.hits] == [("2", "chosen 1, rejected 2")]
    assert inverted.note == "of 3 scored pairs"
    assert all(one.skipped == "the file has no scores" for one in ties_and_inversions([pair("4")]))


def test_length_bias_says_which_way_the_labels_lean(pair):
    longer = [pair(str(i), "x" * 150, "x" * 100) for i in range(80)]
    shorter = [pair(str(i), "x" * 100, "x" * 150) for i in range(20)]
    finding, bias = length_bias([*longer, *shorter])
    assert finding.note.startswith(
        "the longer answer is chosen in 80.0 % (71.1 to 86.7): the labels lean to the longer"
    )
    assert bias.ratio[2] == 1.5
    assert (bias.count[2], bias.share[2]) == (100, 0.8)
    assert math.isnan(bias.share[0])
    even, _ = length_bias([*longer[:20], *shorter])
    assert even.note.endswith("no leaning shown")
    same, _ = length_bias([pair("1", "abc", "def")])
    assert same.note == "all answers have the same length"


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (3, 10), (500, 1000), (10, 10)])
def test_wilson_agrees_with_scipy(successes, trials):
    share, low, high = wilson(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(method="wilson")
    assert (share, low, high) == pytest.approx((successes / trials, expected.low, expected.high), abs=1e-9)
