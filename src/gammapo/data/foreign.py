"""Files that hold no labelled pairs yet, told by their columns, and the way from there to pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AB = "put the better one under chosen, the other under rejected, and the question under prompt"
# columns that tell a kind of file → how pairs are made of it; the first that fits
WAYS = (
    (("human_ref_A", "human_ref_B", "labels"), f"{AB} (labels 1: human_ref_A is better; 0: human_ref_B)"),
    (("response_1", "response_2", "preference_strength"), f"{AB} (preference_strength below 0: response_1)"),
    (("response1", "response2", "overall_preference"), f"{AB} (overall_preference below 0: response1)"),
    (("response_0", "response_1", "better_response_id"), f"{AB} (better_response_id names it)"),
    (("conversation_a", "conversation_b", "winner"), f"{AB} (winner names it; leave ties out)"),
    (
        ("preferred_output", "non_preferred_output"),
        "name them chosen and rejected, and put the messages of input under prompt",
    ),
    (
        ("completions",),
        "put the best completion under chosen, a worse one under rejected, their grades under score_chosen "
        "and score_rejected",
    ),
    (
        ("prompt", "completion", "label"),
        "these are single answers, liked or not; pair a liked and a disliked one of the same prompt",
    ),
    (
        ("prompt", "response"),
        "these are single answers; pair two of the same prompt, with grades under score_chosen and "
        "score_rejected",
    ),
)
ASKS = ("prompt", "instruction", "question", "input", "messages", "conversations")  # what is answered
PROMPTS_ONLY = (
    "make pairs from prompts with `gammapo sample-pairs`; where prompts are wanted (generate, audit --eval), "
    "they are read as they are from a column instruction, prompt or messages"
)


def way_to_pairs(row: Mapping[str, Any]) -> str:
    """How pairs are made of a file with such rows, which lack chosen, rejected or both."""
    if len(row) == 1 and isinstance(next(iter(row.values())), list) and not set(ASKS) & row.keys():
        return "write the list that it holds as a JSON array, or one object a line"
    if "chosen" not in row and "rejected" not in row:
        for columns, way in WAYS:
            if set(columns) <= row.keys():
                return way
        if set(row) & set(ASKS):
            return PROMPTS_ONLY
    return "rename the columns as expected"


def asking_column(row: Mapping[str, Any]) -> str | None:
    """The column that seems to hold the prompt under another name, such as Orca's `question`."""
    return next((name for name in ("question", "input", "instruction", "query") if row.get(name)), None)
