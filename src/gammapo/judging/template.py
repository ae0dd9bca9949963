"""A question of one's own for the chat judge, from a file in the form of AlpacaEval's prompt templates.

The file is text with `{instruction}`, `{output_1}` and `{output_2}`, the answers in the order shown; turns
stand between `<|im_start|>ROLE` and `<|im_end|>`, and without any the whole is one user turn. Other braces
are text. The turns are told apart before texts are filled in, so that no answer can open one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from gammapo import files
from gammapo.errors import InputError

PLACES: tuple[str, ...] = ("instruction", "output_1", "output_2")
PLACE = re.compile("{(" + "|".join(PLACES) + ")}")
TURN = re.compile(r"<\|im_start\|>(.*?)\n(.*?)<\|im_end\|>", re.DOTALL)
MARK = re.compile(r"<\|im_(start|end)\|>")
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Template:
    """`turns` are (role, text with places) in order."""

    turns: tuple[tuple[str, str], ...]

    def messages(self, instruction: str, first: str, second: str) -> list[dict[str, str]]:
        """The turns filled in. What is filled in is not looked at again for places."""
        texts: dict[str, str] = dict(zip(PLACES, (instruction, first, second), strict=True))
        return [
            {"role": role, "content": PLACE.sub(lambda found: texts[found[1]], text)}
            for role, text in self.turns
        ]


def load_template(path: str | Path) -> Template:
    """Raises InputError: no such file, an open or nested turn, another role, or a place that is missing."""
    source = Path(path)
    with files.open_text(source) as stream:
        text = stream.read()
    missing = [name for name in PLACES if f"{{{name}}}" not in text]
    if missing:
        raise InputError(
            f"{{{missing[0]}}} does not occur",
            file=source,
            expected="{instruction}, {output_1} and {output_2}, each at least once",
            fix="put it where that text is to stand",
        )
    turns = [(role.strip(), body.strip()) for role, body in TURN.findall(text)]
    if not turns:
        turns = [("user", text.strip())]
        rest = text
    else:
        rest = TURN.sub("", text) + "".join(body for _, body in turns)
        if TURN.sub("", text).strip():
            raise InputError(
                f"{TURN.sub('', text).strip()[:40]!r} stands outside the turns",
                file=source,
                expected="every text between <|im_start|>ROLE and <|im_end|>",
            )
    if MARK.search(rest):
        raise InputError(
            "a turn is opened or closed alone",
            file=source,
            expected="<|im_start|>ROLE, the text on the lines after it, then <|im_end|>",
        )
    for role, _ in turns:
        if role not in ROLES:
            raise InputError(f"has a turn of {role!r}", file=source, expected=" or ".join(ROLES))
    return Template(tuple(turns))
