"""Preferences read from replies, by hand."""

from math import log

import pytest

from gammapo.judging import Comparison, wording
from gammapo.types import Message


def reply(top=None, text="A"):
    logprobs = None
    if top is not None:
        logprobs = {"content": [{"top_logprobs": [{"token": t, "logprob": log(p)} for t, p in top]}]}
    return {"choices": [{"message": {"content": text}, "logprobs": logprobs}]}


def test_weights_are_the_letters_shares_of_their_common_mass():
    read = wording.read(reply([("A", 0.5), (" A", 0.1), ("B", 0.2), ("The", 0.1)]))
    assert read.first == pytest.approx(0.6 / 0.8)
    assert read.mass == pytest.approx(0.8)
    assert read.note == ""


def test_a_letter_that_is_not_among_the_likeliest_weighs_nothing():
    assert wording.read(reply([("B", 0.9), ("b", 0.05)])).first == 0.0


@pytest.mark.parametrize(
    ("text", "first"), [("A", 1.0), (" B\n", 0.0), ("Both", None), ("", None), (None, None)]
)
def test_without_log_probs_the_letter_counts_and_it_is_said(text, first):
    read = wording.read(reply(None, text))
    assert read.first == first
    assert read.mass is None
    assert read.note == (wording.UNUSABLE if first is None else wording.NO_LOGPROBS)


@pytest.mark.parametrize(
    "logprobs",
    [
        {},
        {"content": []},
        {"content": [{}]},
        {"content": ["A"]},
        {"content": [{"top_logprobs": []}]},
        {"content": [{"top_logprobs": {"A": -0.1}}]},
        {"content": [{"top_logprobs": ["A"]}]},
        [],
    ],
)
def test_broken_log_probs_are_none(logprobs):
    broken = {"choices": [{"message": {"content": "A"}, "logprobs": logprobs}]}
    assert wording.read(broken).note == wording.NO_LOGPROBS


def test_the_request_shows_the_right_answer_first_and_asks_for_one_weighted_token():
    comparison = Comparison(instruction="Ask", output_1="of the reference", output_2="of the model")
    for swapped, order in ((False, ("reference", "model")), (True, ("model", "reference"))):
        body = wording.request(comparison, model="m", secret=b"s", swapped=swapped, top_logprobs=7)
        content = body["messages"][1]["content"]
        assert content.index(f"of the {order[0]}") < content.index(f"of the {order[1]}")
        assert {key: body[key] for key in ("max_tokens", "temperature", "logprobs", "top_logprobs")} == {
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": 7,
        }


def test_many_turns_are_shown_to_the_judge():
    turns = (Message(role="system", content="Be brief."), Message(role="user", content="Hi"))
    comparison = Comparison(instruction="x", output_1="a", output_2="b", messages=turns)
    body = wording.request(comparison, model="m", secret=b"s", swapped=False, top_logprobs=5)
    assert "System: Be brief.\n\nUser: Hi" in body["messages"][1]["content"]
