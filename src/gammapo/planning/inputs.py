"""What the model will really read: template, BOS, end of turn, and one pair's seams."""

from __future__ import annotations

from typing import Any

from gammapo import data
from gammapo.training.prepare import Prepared
from gammapo.types import TokenizedPair

SEAM = 6  # tokens shown on either side of the prompt's end


def describe_inputs(prepared: Prepared) -> list[tuple[str, str]]:
    """(what, how) of the tokenised pairs, for a person to check."""
    tokenizer, pairs = prepared.tokenizer, prepared.pairs
    fmt = data.chat_format(tokenizer)
    end = "none" if fmt.end_of_turn is None else repr(tokenizer.decode([fmt.end_of_turn]))
    finished = sum(
        answer[-1:] == (fmt.end_of_turn,) for pair in pairs for answer in (pair.chosen, pair.rejected)
    )
    first = pairs[0]
    return [
        ("template", "the tokenizer's chat template" if fmt.template else "none: plain text"),
        ("BOS", _bos(tokenizer, pairs)),
        ("end of turn", f"{end}, on {finished} of {2 * len(pairs)} answers"),
        ("prompt ends", repr(tokenizer.decode(first.prompt[-SEAM:]))),
        ("answer begins", repr(tokenizer.decode(first.chosen[:SEAM]))),
    ]


def _bos(tokenizer: Any, pairs: list[TokenizedPair]) -> str:
    if tokenizer.bos_token_id is None:
        return "this tokenizer has none"
    counts = {pair.prompt.count(tokenizer.bos_token_id) for pair in pairs}
    name = repr(tokenizer.bos_token)
    if counts == {1}:
        return f"exactly one {name} in every prompt"
    if counts == {0}:
        return f"the tokenizer knows {name} and puts it nowhere"
    if data.chat_format(tokenizer).template and _in_one_turn(tokenizer) > 1:
        return f"{name} opens each turn of this template, as its authors mean it"
    return f"{name} occurs {' or '.join(map(str, sorted(counts)))} times: does a prompt hold it as text?"


def _in_one_turn(tokenizer: Any) -> int:
    """How often the template itself writes BOS around one user turn."""
    turn = [{"role": "user", "content": "x"}]
    text = tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
    return text.count(tokenizer.bos_token)
