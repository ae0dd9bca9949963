"""Faults of template and tokens, found with a real tokenizer."""

import copy

from gammapo.audit.tokens import token_checks
from gammapo.types import Message


def test_control_tokens_in_texts_and_rows_over_the_limit(pair, tiny_tokenizer):
    pairs = [
        pair("1", "fine<|end|>", "ok"),
        pair("2", prompt="say <s> and <|user|>"),
        pair("3", "cat " * 100, "mat"),
        pair("4"),
    ]
    faults, long = token_checks(pairs, tiny_tokenizer, 60)
    assert [(hit.id, hit.side) for hit in faults.hits] == [("1", "chosen"), ("2", "prompt")]
    assert "control token <|end|>" in faults.hits[0].detail
    assert [hit.id for hit in long.hits] == ["3"]
    assert long.note.endswith("tokens in all")


def test_a_template_that_refuses_or_rewrites_is_a_finding_not_a_crash(pair, tiny_tokenizer):
    from dataclasses import replace

    tokenizer = copy.deepcopy(tiny_tokenizer)
    refusal = "{{ raise_exception('no system turn') if messages[0].role == 'system' }}"
    tokenizer.chat_template = refusal + tokenizer.chat_template
    system = (Message(role="system", content="brief"), Message(role="user", content="hi"))
    faults, _ = token_checks([replace(pair("1"), prompt=system), pair("2")], tokenizer, 60)
    assert [hit.id for hit in faults.hits] == ["1"]
    assert "no system turn" in faults.hits[0].detail


def test_without_a_tokenizer_they_say_so(pair):
    assert all("--model" in one.skipped for one in token_checks([pair("1")], None, 60))


def test_answers_that_become_the_same_tokens_are_a_finding(pair, tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message['content']", "message['content'] | trim"
    )
    faults, _ = token_checks([pair("1", "yes", "yes "), pair("2")], tokenizer, 60)
    assert [(hit.id, hit.detail) for hit in faults.hits] == [("1", "both answers become the same tokens")]
