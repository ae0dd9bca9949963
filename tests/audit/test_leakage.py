"""Prompts that are in the evaluation data, exactly or nearly, and those that are not."""

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
        ("1", "the same as eval:1"),
        ("2", "holds 100 % of eval:2"),
    ]


def test_without_evaluation_data_it_says_that_it_did_not_run(pair):
    assert "--eval" in leakage([pair("1")], None).skipped
    assert leakage([pair("1")], held_out("other")).skipped == ""
