"""Chat template once, one BOS, the prompt a common prefix, every lost token accounted for."""

import copy
from datetime import date

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gammapo.data import chat_format, encode_pair, encode_prompt, on_day, tokenize_pairs, writes_the_date
from gammapo.errors import InputError
from gammapo.types import Message, PreferencePair

USER = Message(role="user", content="Tell me about a river.")


def pair(chosen="the river runs to the sea", rejected="no", prompt=(USER,), **other):
    return PreferencePair(id="a", prompt=prompt, chosen=chosen, rejected=rejected, **other)


def plain(tokenizer):
    """The same tokenizer without a chat template."""
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    return bare


def test_prompt_has_the_template_once_and_exactly_one_bos(tiny_tokenizer):
    ids = encode_prompt(tiny_tokenizer, [USER])
    assert tiny_tokenizer.decode(ids) == "<s><|user|>Tell me about a river.<|end|><|assistant|>"
    assert ids.count(tiny_tokenizer.bos_token_id) == 1


def test_bos_is_added_where_only_the_tokenizer_adds_it(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace("{{ bos_token }}", "")
    assert encode_prompt(tokenizer, [USER]) == encode_prompt(tiny_tokenizer, [USER])


def test_bos_is_written_once_where_template_repeats_it(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = "{{ bos_token }}" + tokenizer.chat_template
    assert encode_prompt(tokenizer, [USER]) == encode_prompt(tiny_tokenizer, [USER])


def test_completion_is_the_answer_and_the_end_of_turn(tiny_tokenizer):
    one = tokenize_pairs([pair()], tiny_tokenizer, max_length=200).pairs[0]
    assert list(one.prompt) == encode_prompt(tiny_tokenizer, [USER])
    assert tiny_tokenizer.decode(one.chosen) == "the river runs to the sea<|end|>"
    assert tiny_tokenizer.decode(one.rejected) == "no<|end|>"


def test_what_the_template_writes_after_the_end_of_turn_is_left_out(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|end|>\n")
    one = tokenize_pairs([pair()], tokenizer, max_length=200).pairs[0]
    assert tokenizer.decode(one.chosen) == "the river runs to the sea<|end|>"


def test_template_without_end_of_turn_gets_the_tokenizers_own(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "")
    assert chat_format(tokenizer).end_of_turn == tokenizer.eos_token_id
    one = tokenize_pairs([pair()], tokenizer, max_length=200).pairs[0]
    assert tokenizer.decode(one.rejected) == "no<|end|>"


def test_plain_tokenizer_gets_the_documented_form(tiny_tokenizer):
    one = tokenize_pairs([pair()], plain(tiny_tokenizer), max_length=200).pairs[0]
    assert tiny_tokenizer.decode(one.prompt) == "<s>Tell me about a river.\n"
    assert tiny_tokenizer.decode(one.chosen) == "the river runs to the sea<|end|>"


def test_a_template_that_rewrites_the_prompt_is_an_error_naming_the_row(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = "{{ messages | length }}" + tokenizer.chat_template
    with pytest.raises(InputError, match=r"pairs.jsonl:7: chosen: .* writes the prompt differently"):
        tokenize_pairs([pair(origin="pairs.jsonl:7")], tokenizer, max_length=200)


def test_a_template_that_refuses_the_turns_is_an_error_naming_the_row(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    refusal = "{{ raise_exception('no system turn') if messages[0].role == 'system' }}"
    tokenizer.chat_template = refusal + tokenizer.chat_template
    prompt = (Message(role="system", content="be brief"), USER)
    probe = [pair(prompt=prompt, origin="f.jsonl:3")]
    with pytest.raises(InputError, match=r"f.jsonl:3: prompt: .*no system turn"):
        tokenize_pairs(probe, tokenizer, max_length=200)


def test_a_template_without_the_answer_is_an_error(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = "{{ messages[0].content }}"
    with pytest.raises(InputError, match="does not write the assistant's turn"):
        tokenize_pairs([pair()], tokenizer, max_length=200)


def test_cut_answer_has_no_end_of_turn_and_is_counted(tiny_tokenizer):
    whole = encode_pair(pair(), tiny_tokenizer)
    limit = len(whole.prompt) + len(whole.chosen) - 1
    done = tokenize_pairs([pair()], tiny_tokenizer, max_length=limit, max_prompt_length=limit - 1)
    one, report = done.pairs[0], done.report
    assert list(one.chosen) == whole.chosen[:-1]
    assert one.chosen[-1] != tiny_tokenizer.eos_token_id
    assert one.rejected[-1] == tiny_tokenizer.eos_token_id
    assert (report.chosen_cut, report.chosen_tokens_lost, report.rejected_cut, report.prompts_cut) == (
        1,
        1,
        0,
        0,
    )


def test_long_prompt_keeps_bos_and_end_and_leaves_answers_half(tiny_tokenizer):
    long = pair(prompt=(Message(role="user", content="the cat sat on a mat " * 30),))
    whole = encode_pair(long, tiny_tokenizer)
    done = tokenize_pairs([long], tiny_tokenizer, max_length=60)
    one = done.pairs[0]
    kept = max(60 - len(whole.chosen), 30)
    assert len(one.prompt) == kept
    assert one.prompt[0] == tiny_tokenizer.bos_token_id
    assert list(one.prompt[1:]) == whole.prompt[-(kept - 1) :]
    assert done.report.prompt_tokens_lost == len(whole.prompt) - kept
    assert list(one.chosen) == whole.chosen


def test_answers_equal_once_cut_are_dropped_and_named(tiny_tokenizer):
    same = pair(chosen="the river runs to the sea and a cat", rejected="the river runs to the sea and a mat")
    other = pair(chosen="yes", rejected="no")
    start = len(encode_pair(same, tiny_tokenizer).prompt)
    done = tokenize_pairs([same, other], tiny_tokenizer, max_length=start + 3, max_prompt_length=start + 2)
    assert len(done.pairs) == 1
    assert done.report.dropped == {"a": "answers equal once cut"}


def test_answers_that_a_template_makes_equal_are_dropped_and_named(tiny_tokenizer):
    """Llama 3's and Gemma's templates trim, so that answers may differ in white space alone."""
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "message['content']", "message['content'] | trim"
    )
    done = tokenize_pairs([pair(chosen="yes", rejected="yes\n"), pair()], tokenizer, max_length=200)
    assert len(done.pairs) == 1
    assert done.report.dropped == {"a": "answers equal as tokens"}


def test_equal_ids_are_one_number_in_memory(tiny_tokenizer):
    """A tokenizer gives each token a number of its own: 33 bytes a token became 11."""
    many = [pair(chosen=f"the river runs to the sea {i}") for i in range(4)]
    ids = [
        token for one in tokenize_pairs(many, tiny_tokenizer, max_length=200).pairs for token in one.chosen
    ]
    assert max(ids) > 256  # smaller ones Python shares by itself
    assert len({id(token) for token in ids}) == len(set(ids))


def test_drop_and_raise_at_the_limit(tiny_tokenizer):
    long = pair(prompt=(Message(role="user", content="cat " * 200),), origin="x.jsonl:2")
    done = tokenize_pairs([long, pair()], tiny_tokenizer, max_length=90, truncation="drop")
    assert done.report.dropped == {"a": "too long"}
    with pytest.raises(InputError, match=r"x.jsonl:2: prompt: .* exceed the limit of 90"):
        tokenize_pairs([long], tiny_tokenizer, max_length=90, truncation="raise")
    with pytest.raises(InputError, match="no pair fits"):
        tokenize_pairs([long], tiny_tokenizer, max_length=90, truncation="drop")


def test_scores_travel_along(tiny_tokenizer):
    one = tokenize_pairs([pair(chosen_score=3.0, rejected_score=1.0)], tiny_tokenizer, max_length=200).pairs[
        0
    ]
    assert (one.chosen_score, one.rejected_score) == (3.0, 1.0)


ANSWER = st.text(st.characters(codec="utf-8", exclude_characters="<|>"), min_size=1, max_size=20).filter(
    str.strip
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(prompt=ANSWER, chosen=ANSWER, rejected=ANSWER, templated=st.booleans())
def test_prompt_and_answers_survive_any_text(tiny_tokenizer, prompt, chosen, rejected, templated):
    assume(chosen != rejected)
    tokenizer = tiny_tokenizer if templated else plain(tiny_tokenizer)
    one = tokenize_pairs(
        [pair(chosen, rejected, (Message(role="user", content=prompt),))], tokenizer, max_length=4096
    ).pairs[0]
    for ids, answer in ((one.chosen, chosen), (one.rejected, rejected)):
        assert ids[-1] == tokenizer.eos_token_id
        assert tokenizer.decode(ids[:-1], clean_up_tokenization_spaces=False) == answer
    assert one.prompt.count(tokenizer.bos_token_id) == 1


def test_the_embedded_model_s_template(smollm2):
    _, tokenizer = smollm2
    one = tokenize_pairs([pair(chosen="A river.\n", rejected="No.")], tokenizer, max_length=500).pairs[0]
    text = tokenizer.decode(one.prompt)
    assert text.startswith("<|im_start|>system")
    assert text.endswith("<|im_start|>assistant\n")
    assert text.count("Tell me about a river.") == 1
    assert tokenizer.decode(one.chosen) == "A river.\n<|im_end|>"


@pytest.mark.parametrize(
    ("asked", "told"),
    [('strftime_now("%d %b %Y")', "29 Feb 2020"), ("strftime_now( '%Y-%m-%d' )", "2020-02-29")],
)
def test_a_template_is_told_the_day_that_one_wants(tiny_model_dir, asked, told):
    from gammapo import models

    tokenizer = models.load_tokenizer(str(tiny_model_dir))
    assert not writes_the_date(tokenizer)
    dated = f"{{%- if strftime_now is defined %}}{{{{ {asked} }}}}{{% endif %}}{tokenizer.chat_template}"
    tokenizer.chat_template = dated
    assert writes_the_date(tokenizer)
    on_day(tokenizer, date(2020, 2, 29))
    ids = encode_prompt(tokenizer, (Message(role="user", content="hi"),))
    assert tokenizer.decode(ids).removeprefix("<s>").startswith(told)
    assert tokenizer.chat_template == dated, "it is saved as it was"
