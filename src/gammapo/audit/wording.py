"""Texts made comparable: what counts as the same text, and as its words.

Marks at the edge of a word that a sentence puts there ("cat!", "(so)") are left out; every other sign counts,
since it can be all of the difference: "5 - 3" and "5 + 3", "C" and "C++", an emoji, and the vowel signs of
scripts that write them as marks of their own.
"""

from __future__ import annotations

import re

EDGE = r"""\.,;:!?…"'“”‘’«»()\[\]{}¿¡。，！？、；：「」『』"""
WORD = re.compile(rf"\w+|[^\w\s{EDGE}]|(?<=\S)[{EDGE}](?=[{EDGE}]*[^\s{EDGE}])")


def words(text: str) -> list[str]:
    """Words and signs, in order, as they are written; punctuation around words is left out."""
    return WORD.findall(text)


def same_text(text: str) -> str:
    """Text with case and white space evened out."""
    return " ".join(text.casefold().split())
