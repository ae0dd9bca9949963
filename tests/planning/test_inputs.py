"""What is said of the tokens that the model will read."""

import copy

import pytest

from gammapo import data
from gammapo.planning.inputs import _bos
from gammapo.types import Message, PreferencePair

PER_TURN = (
    "{% for m in messages %}{{ bos_token }}{{ m['role'] }} {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}{{ bos_token }}assistant {% endif %}"
)


@pytest.mark.parametrize(
    ("template", "prompt", "said"),
    [
        (None, "hill", "exactly one '<s>' in every prompt"),
        (None, "a <s> hill", "occurs 2 times: does a prompt hold it as text?"),
        (PER_TURN, "hill", "opens each turn of this template"),
    ],
)
def test_bos(template, prompt, said, tiny_tokenizer):
    """SmolLM2's BOS is the mark that opens a turn: more than one of it is no fault."""
    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = template or tokenizer.chat_template
    pair = PreferencePair(
        id="a", prompt=(Message(role="user", content=prompt),), chosen="rain fell", rejected="snow"
    )
    pairs = data.tokenize_pairs([pair], tokenizer, max_length=128).pairs
    assert said in _bos(tokenizer, pairs)
