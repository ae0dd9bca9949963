"""The parts a page is made of: plain data, drawn by the template as HTML and by `markdown` as Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from gammapo.report import markup

SHAPE_PATHS = {
    "circle": "M8.2,5a3.8,3.8 0 1,0 7.6,0a3.8,3.8 0 1,0 -7.6,0",
    "square": "M8.6,1.6h6.8v6.8h-6.8Z",
    "triangle-up": "M12,0.8L16.2,8.4H7.8Z",
    "diamond": "M12,0L16,5L12,10L8,5Z",
    "cross": "M10.7,0.8h2.6v2.9h2.9v2.6h-2.9v2.9h-2.6v-2.9h-2.9v-2.6h2.9Z",
    "triangle-down": "M12,9.2L7.8,1.6H16.2Z",
    "triangle-right": "M16.2,5L8.6,9.2V0.8Z",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A table cell: `note` stands small beneath it (an interval, a unit); `swatch` is a palette colour."""

    text: str
    note: str = ""
    strong: bool = False
    swatch: str = ""

    def __str__(self) -> str:
        text = f"{self.text} ({self.note})" if self.note else self.text
        return f"**{text}**" if self.strong else text


@dataclass(frozen=True, kw_only=True)
class Key:
    """One entry of a legend."""

    label: str
    colour: str
    dashed: bool = False
    shape: str = ""  # a shape of the palette, where the chart's points have one

    @property
    def mark(self) -> str:
        """The SVG path of the shape, centred in the legend's box of 24 × 10."""
        return SHAPE_PATHS.get(self.shape, "")


@dataclass(frozen=True, kw_only=True)
class Text:
    kind: ClassVar[str] = "text"
    source: str

    @property
    def html(self) -> str:
        return markup.to_html(self.source)

    def markdown(self) -> str:
        return markup.markdown_safe(self.source.strip())


@dataclass(frozen=True, kw_only=True)
class Finding(Text):
    """The sentence a reader should take home. `tone` is "plain", "good" or "open" (nothing was decided)."""

    kind: ClassVar[str] = "finding"
    tone: str = "plain"

    def markdown(self) -> str:
        return f"> {super().markdown()}"


@dataclass(frozen=True, kw_only=True)
class Warn(Text):
    """Something is wrong. `level` is "warning", "serious" or "fine"."""

    kind: ClassVar[str] = "warning"
    level: str = "warning"

    @property
    def sign(self) -> str:
        return {"fine": "✓", "serious": "✕"}.get(self.level, "!")

    def markdown(self) -> str:
        return f"- {self.sign} {super().markdown()}"


@dataclass(frozen=True, kw_only=True)
class Section:
    kind: ClassVar[str] = "section"
    title: str
    anchor: str

    def markdown(self) -> str:
        return f"## {markup.markdown_safe(self.title)}"


@dataclass(frozen=True, kw_only=True)
class Table:
    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    right: Sequence[bool]  # whether the column is aligned right
    caption: str = ""

    @property
    def caption_html(self) -> str:
        return markup.inline(self.caption)

    def markdown(self) -> str:
        lines = [
            "| " + " | ".join(markup.markdown_cell(column) for column in self.columns) + " |",
            "|" + "|".join("---:" if right else "---" for right in self.right) + "|",
        ]
        lines += ["| " + " | ".join(markup.markdown_cell(str(c)) for c in row) + " |" for row in self.rows]
        return "\n".join([*lines, *(["", markup.markdown_safe(self.caption)] if self.caption else [])])


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One or more drawings under one caption. `svgs` are finished elements, the only trusted HTML here."""

    kind: ClassVar[str] = "figure"
    svgs: Sequence[str]
    caption: str
    legend: Sequence[Key] = ()
    wide: bool = False

    @property
    def caption_html(self) -> str:
        return markup.inline(self.caption)

    def markdown(self) -> str:
        return f"*Chart, drawn in the HTML page: {markup.markdown_safe(markup.plain(self.caption))}*"


@dataclass(frozen=True, kw_only=True)
class Answer:
    model: str
    text: str
    score: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    swatch: str = ""


@dataclass(frozen=True, kw_only=True)
class Samples:
    kind: ClassVar[str] = "samples"
    prompt: str
    answers: Sequence[Answer]

    @property
    def columns(self) -> int:
        """Cards beside each other on a wide screen, so that no row is left with a single one."""
        count = max(len(self.answers), 2)
        return count if count <= 5 else -(-count // -(-count // 5))

    def markdown(self) -> str:
        lines = [f"**Prompt:** {markup.markdown_safe(self.prompt)}", ""]
        for answer in self.answers:
            score = f" ({markup.markdown_safe(answer.score)})" if answer.score else ""
            quoted = markup.markdown_safe(answer.text).replace("\n", "\n  > ")
            lines += [f"- **{markup.markdown_safe(answer.model)}**{score}", "", f"  > {quoted}", ""]
        return "\n".join(lines).rstrip()


@dataclass(frozen=True, kw_only=True)
class Code:
    kind: ClassVar[str] = "code"
    source: str

    def markdown(self) -> str:
        longest = max(map(len, re.findall("`+", self.source)), default=0)
        fence = "`" * max(3, longest + 1)  # an indented block would go on with a list above it
        return f"{fence}\n{self.source}\n{fence}"


@dataclass(frozen=True, kw_only=True)
class Facts:
    kind: ClassVar[str] = "facts"
    entries: Mapping[str, str]

    def markdown(self) -> str:
        safe = markup.markdown_safe
        return "\n".join(f"- {safe(name)}: {safe(value)}" for name, value in self.entries.items())


Block = Text | Finding | Warn | Section | Table | Figure | Samples | Code | Facts


def as_cell(value: Any) -> Cell:
    if isinstance(value, Cell):
        return value
    return Cell(text="–" if value is None else str(value))
