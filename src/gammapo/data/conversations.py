"""Conversations as files hold them: message lists and HH-RLHF transcripts."""

from __future__ import annotations

import re
from typing import Any

from gammapo.data.faults import RowError
from gammapo.types import Message

ROLES = ("system", "user", "assistant")
TURN = re.compile(r"\n\n(Human|Assistant):")
SPEAKERS = {"Human": "user", "Assistant": "assistant"}


def text(value: Any, field: str) -> str:
    """`value` if it is text that can be written as UTF-8."""
    if value is None:
        raise RowError("null_value", "is null", field=field, expected="text")
    if not isinstance(value, str):
        kind = type(value).__name__
        raise RowError("not_text", f"holds {kind} {str(value)[:40]!r}", field=field, expected="text")
    return whole(value, field)


def whole(value: str, field: str, *, reason: str = "not_text") -> str:
    """`value` if it can be written as UTF-8: half of a surrogate pair could not even be printed."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError(
            reason,
            f"holds half of a surrogate pair at character {error.start + 1}",
            field=field,
            expected="valid Unicode text",
        ) from None
    return value


def messages(value: Any, field: str) -> tuple[Message, ...]:
    """A message list, checked: objects with a known role and text content, a system turn only first."""
    if not isinstance(value, list):
        raise RowError("not_text", f"holds {type(value).__name__}", field=field, expected="a message list")
    turns = []
    for index, turn in enumerate(value):
        here = f"{field}[{index}]"
        if not isinstance(turn, dict):
            raise RowError(
                "not_object",
                f"a message is {type(turn).__name__}",
                field=here,
                expected='an object {"role": …, "content": …}',
            )
        role = turn.get("role")
        if role not in ROLES or (role == "system" and index > 0):
            raise RowError(
                "wrong_role",
                f"role {str(role)[:40]!r} at turn {index + 1}",
                field=f"{here}.role",
                expected='"user", "assistant", or "system" at the first turn only',
            )
        turns.append(Message(role=role, content=text(turn.get("content"), f"{here}.content")))
    return tuple(turns)


def transcript(value: str, field: str) -> tuple[Message, ...]:
    """An HH-RLHF transcript ("\\n\\nHuman: … \\n\\nAssistant: …") as messages; turns are trimmed."""
    pieces = TURN.split(value)
    if pieces[0].strip():
        raise RowError(
            "wrong_role",
            "there is no column 'prompt', and this is no transcript that begins with a speaker",
            field=field,
            expected='a column prompt, or "\\n\\nHuman: …\\n\\nAssistant: …"',
        )
    speakers, contents = pieces[1::2], pieces[2::2]
    return tuple(
        Message(role=SPEAKERS[who], content=text(said, field).strip())
        for who, said in zip(speakers, contents, strict=True)
    )


def split_answer(turns: tuple[Message, ...], field: str) -> tuple[tuple[Message, ...], str]:
    """The turns before the last, and the last turn's text, which must be the assistant's."""
    if not turns:
        raise RowError("empty_answer", "holds no message", field=field, expected="an assistant's answer")
    if turns[-1].role != "assistant":
        raise RowError(
            "wrong_role",
            f"ends with a turn of the {turns[-1].role}",
            field=f"{field}[{len(turns) - 1}].role",
            expected='"assistant" last',
        )
    return turns[:-1], turns[-1].content
