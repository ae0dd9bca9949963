"""Conversations to text and token ids, with the tokenizer's own chat template applied exactly once.

A tokenizer without a template gets the plain form: each turn's text on its own lines, one newline before
the answer, the end-of-text token after it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from gammapo.errors import InputError, first_line
from gammapo.types import Message

PROBE = (Message(role="user", content="probe question"),)
PROBE_ANSWER = "probe answer"
TODAY = re.compile(r"""\bstrftime_now\(\s*(['"])(.*?)\1\s*\)""")  # a template's question what day it is
DATED = "_gammapo_dated_template"  # where a tokenizer keeps its template with the answer in it


@dataclass(frozen=True, kw_only=True)
class ChatFormat:
    """How one tokenizer writes conversations, found once by a probe.

    Attributes:
        template: whether the tokenizer has a chat template.
        bos: the id to put first when the text does not begin with it; None where the tokenizer adds none.
        end_of_turn: the id that ends a finished answer; None where the tokenizer has no such token.
        trailer: ids that the template writes after the end of turn, which no model need learn.
    """

    template: bool
    bos: int | None
    end_of_turn: int | None
    trailer: tuple[int, ...] = ()


def chat_format(tokenizer: Any) -> ChatFormat:
    """Probe the tokenizer: its BOS habit, and the token with which its template ends an answer."""
    bos = added_bos(tokenizer)
    if not tokenizer.chat_template:
        return ChatFormat(template=False, bos=bos, end_of_turn=tokenizer.eos_token_id)
    text = conversation_text(tokenizer, (*PROBE, Message(role="assistant", content=PROBE_ANSWER)))
    if PROBE_ANSWER not in text:
        raise InputError(
            "the chat template does not write the assistant's turn", fix="take the model's own template"
        )
    after = token_ids(tokenizer, text[text.rindex(PROBE_ANSWER) + len(PROBE_ANSWER) :])
    special = special_ids(tokenizer)
    first = next((index for index, token in enumerate(after) if token in special), None)
    if first is None:
        return ChatFormat(template=True, bos=bos, end_of_turn=tokenizer.eos_token_id, trailer=tuple(after))
    return ChatFormat(template=True, bos=bos, end_of_turn=after[first], trailer=tuple(after[first + 1 :]))


def added_bos(tokenizer: Any) -> int | None:
    """The BOS id that the tokenizer puts before plain text, None where it puts none."""
    bos = tokenizer.bos_token_id
    return bos if bos is not None and list(tokenizer("x")["input_ids"][:1]) == [bos] else None


def special_ids(tokenizer: Any) -> set[int]:
    """Every id that stands for a control token rather than for text."""
    added = tokenizer.added_tokens_decoder.items()
    return set(tokenizer.all_special_ids) | {index for index, token in added if token.special}


def token_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of text that already holds its control tokens; nothing is added."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def prompt_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The prompt up to where the answer begins."""
    if tokenizer.chat_template:
        return _render(tokenizer, messages, add_generation_prompt=True)
    return "\n".join(message.content for message in messages) + "\n"


def conversation_text(tokenizer: Any, messages: Sequence[Message]) -> str:
    """The whole conversation, its last turn being a finished answer."""
    if tokenizer.chat_template:
        return _render(tokenizer, messages, add_generation_prompt=False)
    return prompt_text(tokenizer, messages[:-1]) + messages[-1].content


def encode_prompt(tokenizer: Any, messages: Sequence[Message]) -> list[int]:
    """Token ids of a prompt as the model meets it when it is to answer.

    The chat template is applied once, with its generation prompt. There is exactly one leading BOS where the
    template or the tokenizer puts one, whether both do or only one of them.

    Raises:
        InputError: the template refuses these messages.
    """
    ids = token_ids(tokenizer, prompt_text(tokenizer, messages))
    return with_bos(ids, added_bos(tokenizer), tokenizer.bos_token_id)


def with_bos(ids: list[int], wanted: int | None, bos: int | None) -> list[int]:
    """`ids` with exactly one leading BOS if `wanted`, and never two."""
    if bos is not None:
        while len(ids) > 1 and ids[0] == ids[1] == bos:
            ids = ids[1:]
    if wanted is not None and ids[:1] != [wanted]:
        return [wanted, *ids]
    return ids


def writes_the_date(tokenizer: Any) -> bool:
    """Whether the chat template can ask what day it is, as Llama 3.2's does."""
    return TODAY.search(str(tokenizer.chat_template)) is not None


def on_day(tokenizer: Any, day: date) -> Any:
    """The same tokenizer, for whose template it is that day from now on wherever it is rendered here."""
    template = TODAY.sub(lambda call: json.dumps(day.strftime(call[2])), tokenizer.get_chat_template())
    setattr(tokenizer, DATED, template)
    return tokenizer


def _render(tokenizer: Any, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    turns = [message.as_dict() for message in messages]
    dated = getattr(tokenizer, DATED, None)
    try:
        return tokenizer.apply_chat_template(
            turns, chat_template=dated, tokenize=False, add_generation_prompt=add_generation_prompt
        )
    except Exception as error:  # jinja's own errors and whatever the template raises on purpose
        roles = ", ".join(turn["role"] for turn in turns)
        raise InputError(
            f"the chat template refuses these turns ({roles}): {first_line(error)}",
            field="prompt",
            fix="change the turns as the template asks, or take another template",
        ) from error
