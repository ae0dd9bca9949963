"""Conversations as files hold them: message lists and HH-RLHF transcripts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gammapo.data.faults import RowError
from gammapo.types import Message

ROLES = ("system", "user", "assistant")
TURN = re.compile(r"\n\n(Human|Assistant):")
OPENING = re.compile(r"\s*(?:Human|Assistant):")
QUESTION = re.compile(r"\s*Human:.*\n\nAssistant:\s*", re.DOTALL)  # a transcript that waits for its answer
OTHER_NAMES = {
    "human": "user",
    "gpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "developer": "system",
}
UNREAD = ("tool_calls", "function_call", "reasoning_content", "thinking")  # keys of a message beside its text
UNREAD_COLUMNS = ("tools", "chat_template_kwargs", "image", "images")  # and of a row
NOTHING = ("", "[]", "{}", "null")  # which some files hold as text
AS_TEXT = "write it into the text as the model is to see it, or remove it"
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
            raise _wrong_role(turn, index, here)
        if turn.get("content") is None:
            _refuse_unread(turn, here)  # a call of a tool has no text: say what is there
        turns.append(Message(role=role, content=_content(turn.get("content"), f"{here}.content")))
    return tuple(turns)


def _wrong_role(turn: dict[str, Any], index: int, here: str) -> RowError:
    role, fix = turn.get("role"), None
    if role is None and "from" in turn and "value" in turn:
        fix = 'rename "from" to "role" and "value" to "content", human to user and gpt to assistant'
    elif isinstance(role, str) and role in OTHER_NAMES:
        fix = f"write {role!r} as {OTHER_NAMES[role]!r}"
    elif role in ("tool", "function", "ipython"):
        fix = "leave the row out, since calls of tools and their results are not read; or write them as text"
    return RowError(
        "wrong_role",
        f"role {str(role)[:40]!r} at turn {index + 1}",
        field=f"{here}.role",
        expected='"user", "assistant", or "system" at the first turn only',
        fix=fix,
    )


def _content(value: Any, field: str) -> str:
    """A message's text. Parts ([{"type": "text", "text": …}, …]) are joined if all of them are text."""
    if not isinstance(value, list) or not all(isinstance(part, dict) and "type" in part for part in value):
        return text(value, field)
    for index, part in enumerate(value):
        if part["type"] != "text":
            kind = str(part["type"])[:40]
            raise RowError("not_read", f"a part of type {kind!r}", field=f"{field}[{index}]", expected="text")
    return "".join(text(part.get("text"), f"{field}[{index}].text") for index, part in enumerate(value))


def refuse_unread(value: Any, field: str) -> None:
    """Raise RowError for a message that says more than its text: it would be trained on without that."""
    for index, turn in enumerate(value if isinstance(value, list) else ()):
        if isinstance(turn, dict):
            _refuse_unread(turn, f"{field}[{index}]")


def refuse_unread_columns(row: Mapping[str, Any]) -> None:
    """Raise RowError for a row whose prompt is more than its text, such as tools that the model may call."""
    for name in UNREAD_COLUMNS:
        if (value := row.get(name)) and _says_something(value):
            raise RowError(
                "not_read",
                "is not read, so that the prompt would lose it",
                field=name,
                expected="prompts of text alone",
                fix=AS_TEXT,
            )


def _says_something(value: Any) -> bool:
    """False for what Parquet and `datasets` fill in where a row has no such thing: nulls, however nested."""
    if isinstance(value, dict | list):
        return any(map(_says_something, value.values() if isinstance(value, dict) else value))
    return value.strip() not in NOTHING if isinstance(value, str) else value is not None


def _refuse_unread(turn: dict[str, Any], here: str) -> None:
    for name in UNREAD:
        if (value := turn.get(name)) and _says_something(value):
            raise RowError(
                "not_read",
                "is not read, so that the message would lose it",
                field=f"{here}.{name}",
                expected="messages of a role and text alone",
                fix=AS_TEXT,
            )


def transcript(value: str, field: str) -> tuple[Message, ...]:
    """An HH-RLHF transcript ("\\n\\nHuman: … \\n\\nAssistant: …") as messages; turns are trimmed."""
    pieces = TURN.split("\n\n" + value.lstrip() if OPENING.match(value) else value)
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
