"""A little Markdown for prose on the page: paragraphs, `- ` lists, **strong**, `code`. All else is text."""

from __future__ import annotations

import re
from html import escape


def to_html(text: str) -> str:
    """HTML of `text`; every character that means something to HTML is escaped first."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.strip().splitlines()
        if lines and all(line.lstrip().startswith("- ") for line in lines):
            items = "".join(f"<li>{inline(line.lstrip()[2:])}</li>" for line in lines)
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{inline(' '.join(line.strip() for line in lines))}</p>")
    return "\n".join(blocks)


def inline(text: str) -> str:
    text = escape(text, quote=True)
    text = re.sub(r"(?<=\d) %", "\u00a0%", text)  # no line ends between a figure and its unit
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
    return re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", text)


def plain(text: str) -> str:
    """The text without marks, for a title or a description."""
    return re.sub(r"\*\*|`", "", text)


def markdown_safe(text: str) -> str:
    """Text that a Markdown reader cannot take for HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def markdown_cell(text: str) -> str:
    return markdown_safe(text).replace("|", "\\|").replace("\n", " ")
