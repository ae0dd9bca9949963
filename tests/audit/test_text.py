"""Text witnesses by hand."""

import pytest

from gammapo.audit import Witnesses, join, text_witnesses
from gammapo.audit.text import NAMES


def test_values_by_hand(pair):
    """Prompts: "describe butter", "describe ponies": log 2 for butter and ponie, 0 for describe.

    Chosen "Butter, butter melts." names all of the first prompt, in 3 words of which 2 differ, closed, with 2
    marks in 21 characters; rejected "describe it" names what weighs nothing, in 2 different words.
    """
    pairs = [
        pair("a", "Butter, butter melts.", "describe it", prompt="describe butter"),
        pair("b", "A pony", "Ponies!", prompt="describe ponies"),
    ]
    found = text_witnesses(pairs)
    assert (found.ids, found.names) == (("a", "b"), NAMES)
    assert found.values[0] == pytest.approx([1.0, 2 / 3 - 1, 1.0, 2 / 21])
    assert found.values[1] == pytest.approx([-1.0, 0.0, -1.0, -1 / 7])


def test_exchanged_answers_turn_the_sign(pair):
    one = text_witnesses([pair("a", "Yes, it is.", "No"), pair("b", prompt="other")]).values
    two = text_witnesses([pair("a", "No", "Yes, it is."), pair("b", prompt="other")]).values
    assert two[0] == pytest.approx(-one[0])


def test_a_prompt_of_many_pairs_counts_once(pair):
    """Three pairs of one prompt and one of another: both words are in one of two prompts."""
    pairs = [pair(str(i), "butter", "no", prompt="butter") for i in range(3)] + [pair("3", prompt="bread")]
    assert text_witnesses(pairs).values[0, 0] == pytest.approx(1.0)


def test_a_single_prompt_says_nothing_of_topic(pair):
    assert text_witnesses([pair("a"), pair("b")]).values[:, 0].tolist() == [0.0, 0.0]


def test_joined_by_id(pair):
    text = text_witnesses([pair(name, prompt=name) for name in "abc"])
    other = Witnesses(ids=("c", "x", "a"), names=("gap",), values=text.values[[2, 1, 0], :1] + 5)
    both = join(text, other)
    assert both.ids == ("a", "c")
    assert both.names == (*NAMES, "gap")
    assert both.values[:, -1] == pytest.approx(text.values[[0, 2], 0] + 5)
