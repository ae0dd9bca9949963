"""What can be wrong with one row, as a value that the loader either raises with its place or counts."""

from __future__ import annotations

from pathlib import Path

from gammapo.errors import InputError

# reason → what a report calls it
REASONS = {
    "not_json": "broken JSON",
    "not_utf8": "text that is not UTF-8",
    "not_object": "not an object",
    "missing_column": "missing column",
    "null_value": "null where text belongs",
    "not_text": "not text",
    "empty_prompt": "empty prompt",
    "empty_answer": "empty answer",
    "identical_answers": "chosen equals rejected",
    "wrong_role": "wrong roles",
    "prompts_differ": "the two conversations differ before the answer",
    "other_prompt": "a prompt that is not in the conversations",
    "not_read": "tools, thoughts or images, which are not read",
    "bad_score": "unusable score",
    "bad_id": "unusable id",
    "bad_column": "unusable name of a column",
    "no_label": "no label (a draw, or not judged)",
}

LEAVE_OUT = (
    "have such rows left out, counted: --drop-bad of `gammapo corrupt`, data.on_bad: drop in a recipe, "
    "on_bad='drop' in Python"
)


class RowError(Exception):
    """One row cannot be used. `reason` is a key of REASONS; the rest is as in InputError."""

    def __init__(
        self,
        reason: str,
        problem: str,
        *,
        field: str | None = None,
        expected: str | None = None,
        fix: str | None = None,
    ):
        super().__init__(problem)
        self.reason, self.problem = reason, problem
        self.field, self.expected, self.fix = field, expected, fix

    def at(self, file: str | Path, line: int, *, droppable: bool = False) -> InputError:
        """The same fault as an error that names its place, and the way to drop such rows if there is one."""
        fix = self.fix or "mend or remove the row"
        if droppable and (self.fix is None or self.reason == "not_read"):
            fix += f", or {LEAVE_OUT}"
        return InputError(
            self.problem, file=file, line=line, field=self.field, expected=self.expected, fix=fix
        )
