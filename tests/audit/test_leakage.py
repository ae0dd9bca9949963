"""Prompts that are in the evaluation data, exactly or nearly, and those that are not."""

import pytest

from gammapo.audit.leakage import leakage
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
