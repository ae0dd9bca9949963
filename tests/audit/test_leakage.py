"""Prompts that are in the evaluation data, exactly or nearly, and those that are not."""

import pytest

from gammapo.audit.leakage import _index, leakage
from gammapo.types import Message

TEXT = "Write a short story about a lighthouse keeper who finds a bottle with a letter from the year 1850"


def held_out(*texts):
    return [(f"eval:{i}", [Message(role="user", content=text)]) for i, text in enumerate(texts, 1)]


def test_exact_and_near_prompts_are_named(pair):
    pairs = [
        pair("1", prompt="write a short STORY, about a cat!"),
        pair("2", prompt=f"Please do this for me now. {TEXT}. Thank you."),
        pair("3", prompt="Write a short story about a lighthouse keeper who loves soup and bread and cheese"),
        pair("4", prompt="hello"),
    ]
    found = leakage(pairs, held_out("Write a short story about a cat", TEXT))
    assert [(hit.id, hit.detail) for hit in found.hits] == [
        ("1", "the same as eval:1 but for punctuation"),
        ("2", "holds 100 % of eval:2"),
    ]


def test_case_and_white_space_alone_are_the_same(pair):
    (hit,) = leakage([pair("1", prompt="What  is\na CAT?")], held_out("what is a cat", "What is a cat?")).hits
    assert hit.detail == "the same as eval:2"


@pytest.mark.parametrize(
    ("one", "two"),
    [("5 - 3", "5 + 3"), ("C", "C++"), ("दिन", "दीन"), ("🙂", "🙁"), ("?", "!"), ("x < 3", "x > 3")],
)
def test_a_sign_can_be_all_of_the_difference(pair, one, two):
    assert not leakage([pair("1", prompt=one)], held_out(two)).hits
    assert leakage([pair("1", prompt=one)], held_out(two, one)).hits


def test_without_evaluation_data_it_says_that_it_did_not_run(pair):
    assert "--eval" in leakage([pair("1")], None).skipped
    assert leakage([pair("1")], held_out("other")).skipped == ""


def test_what_all_prompts_begin_with_makes_no_candidates(pair):
    """Each pair would else be compared with every prompt of the set: 60,000 with 5,000 took hours."""
    start = "please answer the following question as carefully as you can and explain every step to me: "
    texts = [start + " ".join(f"w{i}x{k}" for k in range(20)) for i in range(50)]
    index = _index(held_out(*texts))
    assert max(map(len, index.runs.values())) == 1
    near = texts[7] + " and more of it"
    (hit,) = leakage([pair("1", prompt=near), pair("2", prompt=start + "a b c")], held_out(*texts)).hits
    assert (hit.id, hit.detail) == ("1", "holds 100 % of eval:8")


def test_seventy_of_a_hundred_runs_are_enough_wherever_they_stand(pair):
    """15 words have ten runs of six; twelve words of them in a row have seven, eleven have six."""
    words = [f"w{i}" for i in range(15)]
    for start in range(4):
        text = " ".join(["x", *words[start : start + 12], "y"])
        (hit,) = leakage([pair("1", prompt=text)], held_out(" ".join(words))).hits
        assert hit.detail == "holds 70 % of eval:1"
        assert not leakage(
            [pair("1", prompt=" ".join(words[start : start + 11]))], held_out(" ".join(words))
        ).hits
