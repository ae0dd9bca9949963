"""The shapes in which pair files come, told apart by their columns, and one parser for each.

| shape | columns |
|---|---|
| `text` | `prompt`, `chosen`, `rejected` as text |
| `messages` | the same as message lists |
| `messages_prompt` | `prompt` as a message list, answers as text |
| `messages_answers` | `prompt` as text, answers as message lists of one assistant turn |
| `ultrafeedback` | `prompt`, and `chosen`, `rejected` as whole conversations |
| `implicit` | no `prompt`; `chosen`, `rejected` as whole conversations |
| `hh` | no `prompt`; `chosen`, `rejected` as HH-RLHF transcripts |
| `hh_prompt` | `prompt` as such a transcript up to "\\n\\nAssistant:", answers as text |
| `alpaca_eval` | `instruction`, `output_1`, `output_2`, graded `preference` in [1, 2] |
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gammapo.data.conversations import OPENING, QUESTION, messages, split_answer, text, transcript
from gammapo.data.faults import RowError
from gammapo.data.foreign import asking_column, way_to_pairs
from gammapo.types import Message

SHAPES = (
    "text",
    "messages",
    "messages_prompt",
    "messages_answers",
    "ultrafeedback",
    "implicit",
    "hh",
    "hh_prompt",
    "alpaca_eval",
)
SCORE_COLUMNS = (("score_chosen", "score_rejected"), ("chosen_score", "rejected_score"))
SCORE_COLUMNS += (("chosen_rating", "rejected_rating"), ("rating_chosen", "rating_rejected"))
SCORE_COLUMNS += (("chosen-rating", "rejected-rating"),)
MOST = (2 - 2**-23) * 2.0**127  # of a score, either way: the largest float32, as which losses read it
# a list of messages in JSON or as Python prints it
QUOTED = re.compile(r"""\s*\[\s*\{(?=.*["']role["']\s*:)(?=.*["']content["']\s*:).*\}\s*\]\s*""", re.DOTALL)
MARKER = "gammapo_noise"  # what `gammapo corrupt` leaves in every row
USED_COLUMNS = {"id", "prompt", "chosen", "rejected", "instruction", "output_1", "output_2", "preference"}
USED_COLUMNS |= {"system", MARKER, *(name for names in SCORE_COLUMNS for name in names)}


class Content(NamedTuple):
    """What one row says."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    chosen_score: float | None
    rejected_score: float | None


def classify(row: Mapping[str, Any]) -> str:
    """The name of the row's shape.

    Raises:
        RowError: a column is missing, null or of a type that no shape has.
    """
    if "output_1" in row and "output_2" in row:
        return "alpaca_eval"
    for field in ("chosen", "rejected"):
        if field not in row:
            raise RowError(
                "missing_column",
                f"no column {field!r} among {', '.join(map(str, row)) or 'none'}",
                field=field,
                expected="prompt, chosen, rejected (or instruction, output_1, output_2, preference)",
                fix=way_to_pairs(row),
            )
        if row[field] is None:
            raise RowError("null_value", "is null", field=field, expected="text or a message list")
        if not isinstance(row[field], str | list):
            raise RowError(
                "not_text",
                f"holds {type(row[field]).__name__}",
                field=field,
                expected="text or a message list",
                fix='write a single message as a list: [{"role": "assistant", "content": …}]'
                if isinstance(row[field], dict)
                else None,
            )
    prompt, chosen, rejected = row.get("prompt"), row["chosen"], row["rejected"]
    if isinstance(chosen, str) != isinstance(rejected, str):
        raise RowError("not_text", "one answer is text, the other a message list", field="rejected")
    if prompt is not None and not isinstance(prompt, str | list):
        raise RowError("not_text", f"holds {type(prompt).__name__}", field="prompt", expected="text")
    for field, answer in (("chosen", chosen), ("rejected", rejected)):
        if answer == []:
            raise RowError("empty_answer", "holds no message", field=field, expected="an answer")
    if isinstance(chosen, str):
        if QUOTED.fullmatch(chosen) and QUOTED.fullmatch(rejected):
            raise quoted_list("chosen")
        if "prompt" not in row:
            _refuse_other_name(row, chosen)
            return "hh"
        if isinstance(prompt, list):
            return "messages_prompt"
        return "hh_prompt" if isinstance(prompt, str) and QUESTION.fullmatch(prompt) else "text"
    if prompt is None:
        return "implicit"
    if isinstance(prompt, list):
        return "messages"
    return "ultrafeedback" if len(chosen) > 1 else "messages_answers"


def quoted_list(field: str) -> RowError:
    """The fault of a message list written as text, as CSV files have them: its brackets would be read."""
    return RowError(
        "not_text",
        "holds a message list written as text, whose brackets would be read as text too",
        field=field,
        expected="text, or a message list that is a list",
        fix="write the file as JSON lines or Parquet with real lists, or the column as plain text",
    )


def _refuse_other_name(row: Mapping[str, Any], chosen: str) -> None:
    name = asking_column(row)
    if name is not None and not OPENING.match(chosen):
        raise RowError(
            "missing_column",
            f"no column 'prompt' among {', '.join(map(str, row))}",
            field="prompt",
            expected="prompt, chosen, rejected",
            fix=f"rename the column {name!r} to prompt",
        )


def parse(row: Mapping[str, Any], shape: str) -> Content:
    """What a row of the given shape says, checked.

    Raises:
        RowError: what is wrong with it.
    """
    content = _alpaca_eval(row) if shape == "alpaca_eval" else _labelled(row, shape)
    refuse_unanswerable(content.prompt, "prompt")
    for field, answer in (("chosen", content.chosen), ("rejected", content.rejected)):
        if not answer.strip():
            raise RowError("empty_answer", "is empty", field=field, expected="an answer")
    if content.chosen == content.rejected:
        raise RowError("identical_answers", "is equal to chosen", field="rejected", expected="two answers")
    return content


def refuse_unanswerable(prompt: tuple[Message, ...], field: str) -> None:
    """Raise RowError for a prompt that is empty, or whose last turn is not the user's."""
    if not prompt or not prompt[-1].content.strip():
        raise RowError("empty_prompt", "is empty", field=field, expected="a prompt")
    if prompt[-1].role != "user":
        raise RowError(
            "wrong_role",
            f"ends with a turn of the {prompt[-1].role}",
            field=field,
            expected='"user" last, so that the answer is the assistant\'s',
        )


def _labelled(row: Mapping[str, Any], shape: str) -> Content:
    if shape in ("text", "messages_prompt"):
        prompt = prompt_of(row)
        chosen, rejected = text(row["chosen"], "chosen"), text(row["rejected"], "rejected")
    elif shape == "hh_prompt":
        prompt, chosen, rejected = _continued(row)
    else:
        read = _transcript if shape == "hh" else messages
        head, chosen = split_answer(read(row["chosen"], "chosen"), "chosen")
        other, rejected = split_answer(read(row["rejected"], "rejected"), "rejected")
        if head != other:
            raise RowError(
                "prompts_differ",
                "differs from chosen before the last turn",
                field="rejected",
                expected="one prompt with two answers",
            )
        prompt = head or prompt_of(row)
        if head and shape == "messages":
            given = prompt_of(row)
            if head[: len(given)] != given:
                raise RowError("prompts_differ", "does not begin with the prompt", field="chosen")
        if head and shape == "ultrafeedback":
            _refuse_other_prompt(text(row["prompt"], "prompt"), head)
    better, worse = _scores(row)
    return Content(with_system(row, prompt), chosen, rejected, better, worse)


def _continued(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], str, str]:
    """A transcript that waits for its answer, and two of them: alone, or with the transcript before each."""
    start = text(row["prompt"], "prompt")
    answers = [text(row[side], side) for side in ("chosen", "rejected")]
    if all(answer.startswith(start) for answer in answers):
        answers = [answer.removeprefix(start) for answer in answers]
    return waiting(start), answers[0].strip(), answers[1].strip()


def waiting(start: str) -> tuple[Message, ...]:
    """The turns of a transcript that ends where the assistant's answer is to begin."""
    turns = transcript(start, "prompt")
    return turns[:-1] if turns and turns[-1] == Message(role="assistant", content="") else turns


def _refuse_other_prompt(given: str, head: tuple[Message, ...]) -> None:
    """Two columns that speak of different questions come from a faulty join: neither can be believed."""
    asked = " ".join(given.split())
    turns = (" ".join(turn.content.split()) for turn in head)
    if asked and not any(turn and (turn in asked or asked in turn) for turn in turns):
        raise RowError(
            "other_prompt",
            "is no turn of the conversation in chosen",
            field="prompt",
            expected="the question that chosen and rejected answer",
        )


def with_system(row: Mapping[str, Any], prompt: tuple[Message, ...]) -> tuple[Message, ...]:
    """The prompt behind the system turn that a column `system` holds, as in Orca's pairs."""
    said = row.get("system")
    if said is None or said == "":
        return prompt
    turn = Message(role="system", content=text(said, "system"))
    if prompt and prompt[0].role == "system":
        if prompt[0].content.strip() != turn.content.strip():
            raise RowError(
                "prompts_differ",
                "is not the system turn with which the prompt begins",
                field="system",
                expected="the same text, or one of the two",
            )
        return prompt
    return (turn, *prompt) if turn.content.strip() else prompt


def prompt_of(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """The column `prompt`, text or a message list, as turns."""
    value = row.get("prompt")
    if "prompt" not in row:
        raise RowError(
            "missing_column",
            "no prompt: the answers are no conversations from which to take one",
            field="prompt",
            expected="a column prompt, or chosen and rejected as whole conversations",
        )
    if isinstance(value, list):
        return messages(value, "prompt")
    return (Message(role="user", content=text(value, "prompt")),)


def _transcript(value: Any, field: str) -> tuple[Message, ...]:
    return transcript(text(value, field), field)


def _scores(row: Mapping[str, Any]) -> tuple[float | None, float | None]:
    for better, worse in SCORE_COLUMNS:
        if better in row or worse in row:
            return number(row.get(better), better), number(row.get(worse), worse)
    return None, None


def number(value: Any, field: str) -> float | None:
    """A score that a float32 holds, or None where the file has null."""
    if value is None:
        return None
    try:
        score = math.nan if isinstance(value, bool | str) else float(value)
    except (TypeError, ValueError, OverflowError):
        score = math.nan
    if not abs(score) <= MOST:  # which NaN is not either
        raise RowError(
            "bad_score",
            f"is {str(value)[:40]!r}",
            field=field,
            expected=f"a finite number within ±{MOST:.1e}, or null",
        )
    return score


def _alpaca_eval(row: Mapping[str, Any]) -> Content:
    """The better of the two outputs is chosen; the graded preference gives each its score in [0, 1]."""
    if "instruction" not in row:
        raise RowError("missing_column", "no column 'instruction'", field="instruction")
    prompt = (Message(role="user", content=text(row["instruction"], "instruction")),)
    first, second = text(row["output_1"], "output_1"), text(row["output_2"], "output_2")
    preference = number(row.get("preference"), "preference")
    if preference is None or preference in (0.0, 1.5):
        raise RowError(
            "no_label",
            "is not judged" if preference is None else "is a draw",
            field="preference",
            expected="a number in [1, 2] other than 1.5",
        )
    if not 1 <= preference <= 2:
        raise RowError("bad_score", f"is {preference:g}", field="preference", expected="a number in [1, 2]")
    wins = preference - 1  # probability that output_2 is better
    if wins > 0.5:
        return Content(prompt, second, first, wins, 1 - wins)
    return Content(prompt, first, second, 1 - wins, wins)
