"""Stop tokens of tokenizers whose end of turn is, and is not, their end of text."""

import copy

from gammapo.generation.stops import stop_ids


def test_end_of_turn_that_is_not_end_of_text(tiny_tokenizer, tiny_model):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.eos_token = "<s>"
    end = tokenizer.convert_tokens_to_ids("<|end|>")
    assert stop_ids(tokenizer) == {tokenizer.convert_tokens_to_ids("<s>"), end}
    tiny_model.generation_config.eos_token_id = [7, 8]
    assert stop_ids(tokenizer, tiny_model) == {tokenizer.convert_tokens_to_ids("<s>"), end, 7, 8}


def test_without_a_template_only_end_of_text(tiny_tokenizer):
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = None
    assert stop_ids(tokenizer) == {tokenizer.eos_token_id}
