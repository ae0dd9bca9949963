"""Words, sentences and repetition of a short English text: what the constraints and the quality share."""

from __future__ import annotations

import re

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|etc|vs|mr|mrs|ms|dr|st|approx|[a-z])\.$", re.IGNORECASE)
_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?=\S)")


def words(text: str) -> list[str]:
    """The words as written; an apostrophe or hyphen inside a word does not split it."""
    return _WORD.findall(text)


def sentences(text: str) -> list[str]:
    """The text cut after each run of end marks; line breaks cut too, and a rest without end mark counts."""
    found = []
    for line in text.splitlines():
        start = 0
        for end in _SENTENCE_END.finditer(line):
            piece = line[start : end.end()]
            if not _ABBREVIATION.search(piece):
                found.append(piece.strip())
                start = end.end()
        found.append(line[start:].strip())
    return [sentence for sentence in found if words(sentence)]


def bullets(text: str) -> tuple[int, int]:
    """How many non-empty lines are list items ("- …", "* …", "1. …"), and how many are not."""
    lines = [line for line in text.splitlines() if line.strip()]
    items = sum(bool(_BULLET.match(line)) for line in lines)
    return items, len(lines) - items


def ngrams(tokens: list[str], size: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[offset:] for offset in range(size)), strict=False))


def last_mark(text: str) -> str:
    """The last character of the text but for closing quotes and brackets; "" for an empty text."""
    return text.rstrip("\"'”’)]*_ \n\t")[-1:]


def repeated_words(text: str) -> int:
    """How many words say again what was said before.

    The larger of: the word trigrams that occurred before, and the words that equal the word just before
    them or the word two before (loops of one and two words).
    """
    tokens = [word.lower() for word in words(text)]
    trigrams = ngrams(tokens, 3)
    stutters = sum(word in tokens[max(0, index - 2) : index] for index, word in enumerate(tokens))
    return max(len(trigrams) - len(set(trigrams)), stutters)


def copied_ngrams(text: str, source: str, size: int = 4) -> int:
    """How many of the text's n-grams of words stand in `source` too."""
    mine = ngrams([word.lower() for word in words(text)], size)
    theirs = set(ngrams([word.lower() for word in words(source)], size))
    return sum(gram in theirs for gram in mine)


def mentions(text: str, noun: str) -> bool:
    """Whether the noun, its plural or its possessive stands in the text, in any case.

    For a noun of several words the last one is enough ("suspension bridge": "bridge").
    """
    head = noun.lower().split()[-1]
    forms = {head, head + "s", head + "es"}
    if head.endswith("y"):
        forms.add(head[:-1] + "ies")
    if head.endswith("fe"):
        forms.add(head[:-2] + "ves")
    if head.endswith("f"):
        forms.add(head[:-1] + "ves")
    if head.endswith("man"):
        forms.add(head[:-3] + "men")
    if head.endswith("s"):
        forms |= {head[:-1], head[:-2] if head.endswith("es") else head}
    parts = {part for word in words(text.lower()) for part in (word, *re.split(r"['’-]", word))}
    return not forms.isdisjoint(parts)
