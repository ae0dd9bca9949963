"""Checks of the answers' texts: nearly the same, cut off, refusing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from gammapo.audit.findings import Finding, Hit
from gammapo.audit.wording import words
from gammapo.types import PreferencePair

NEAR = 0.9  # similarity from which two answers count as nearly the same
CUT_WORDS = 12  # a shorter answer without a full stop is terse rather than cut
OPEN_END = re.compile(r"[\w,;:\-–—(\[{/&+=]$")
LIST_LINE = re.compile(r"\s*(?:[-*•#>|]|\d+[.)])")
LINK_END = re.compile(r"(?:https?://|www\.)\S+$|\S+@\S+\.\w+$")
REFUSAL = re.compile(
    r"\bas an ai\b|\bi['’]?m (?:really |very |so )?sorry\b[^.!?]{0,40}\b(?:can|could|not|unable)"
    r"|\bi(?: am|['’]m) (?:not able|unable) to\b|\bi (?:cannot|can['’]?t|can not|won['’]?t|will not)"
    r"(?: in good conscience)? (?:help|assist|provide|answer|fulfil|fulfill|comply|do that|support|give you"
    r"|share|generate|create|write|engage)\b|\bi (?:must|have to) (?:decline|refuse)\b"
    r"|\bi['’]?d rather not\b|\bi don['’]?t feel comfortable\b",
    re.IGNORECASE,
)


def near_identical(pairs: Sequence[PreferencePair]) -> Finding:
    """Pairs whose two answers share at least 90 % of their words in order, or of their characters."""
    hits = []
    for pair in pairs:
        shared = similarity(pair.chosen, pair.rejected)
        if shared >= NEAR:
            # 100 % would say that they are equal, which the answers of no pair are
            near = "the same but for punctuation and white space"
            detail = near if shared == 1 else f"{min(99, round(100 * shared))} % the same"
            hits.append(Hit(id=pair.id, origin=pair.origin, detail=detail))
    return Finding(
        name="near_identical",
        title="nearly identical answers",
        meaning="There is little to prefer, so the label is close to a coin flip and pulls on stray words.",
        hits=tuple(hits),
    )


def similarity(one: str, two: str) -> float:
    """The larger of two shares in [0, 1]: of characters in a common start and end, and of common word pairs.

    Case and signs count; words and signs that are all the same, in the same order, give 1 whatever the
    punctuation around them (see `wording`). Texts whose lengths differ by more than a quarter count as 0,
    unless white space is all that they differ in.
    """
    shorter, longer = sorted((len(one), len(two)))
    if longer == 0:
        return 0.0
    if shorter / longer < 0.75:
        return 1.0 if _same_but_for_white_space(one, two) else 0.0
    start = _common_prefix(one, two)
    end = min(_common_prefix(one[::-1], two[::-1]), shorter - start)
    by_characters = (start + end) / longer
    if by_characters >= NEAR:
        return by_characters
    return max(by_characters, _common_word_pairs(words(one), words(two)))


def _same_but_for_white_space(one: str, two: str) -> bool:
    start, end = one.lstrip()[:1], one.rstrip()[-1:]  # looked at first: most pairs differ in length
    if not start or start != two.lstrip()[:1] or end != two.rstrip()[-1:]:
        return False
    return one.split() == two.split()


def _common_prefix(one: str, two: str) -> int:
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == two[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _common_word_pairs(first: list[str], second: list[str]) -> float:
    if first == second:
        return 1.0 if first else 0.0
    if len(set(first) & set(second)) < 0.7 * max(len(set(first)), len(set(second))):
        return 0.0
    left = Counter(zip(["", *first], [*first, ""], strict=True))
    right = Counter(zip(["", *second], [*second, ""], strict=True))
    total = left.total() + right.total()
    return min(2 * (left & right).total(), total - 1) / total  # other words in another order are not the same


def cut_off(pairs: Sequence[PreferencePair]) -> Finding:
    """Answers that stop in the middle of a sentence or of a code block."""
    hits = tuple(_sides(pairs, ends_cut))
    chosen = sum(hit.side == "chosen" for hit in hits)
    return Finding(
        name="cut_off",
        title="cut-off answers",
        meaning="A model trained on them learns to stop in mid-sentence, or to prefer what does.",
        hits=hits,
        note=f"{chosen} chosen, {len(hits) - chosen} rejected" if hits else "",
    )


def ends_cut(answer: str) -> str:
    """Why the answer looks cut off, or "". List items, verse, links, terse answers pass."""
    answer = answer.rstrip()
    if answer.count("```") % 2:
        return "a code block is left open"
    if len(answer.split(None, CUT_WORDS)) <= CUT_WORDS or not OPEN_END.search(answer):
        return ""
    *before, last = answer.splitlines()
    previous = next((line.rstrip() for line in reversed(before) if line.strip()), ".")
    if answer.endswith("```") or LIST_LINE.match(last) or LINK_END.search(last):
        return ""
    if before and (len(last.split(None, 4)) <= 4 or OPEN_END.search(previous)):
        return ""  # a signature, or verse and lists, whose lines end without a full stop
    return f"ends with {last[-24:]!r}"


def refusals(pairs: Sequence[PreferencePair]) -> Finding:
    """Answers that decline, told by their first 300 characters."""
    hits = tuple(_sides(pairs, refuses))
    sides = Counter(hit.id for hit in hits)
    chosen = {hit.id for hit in hits if hit.side == "chosen"}
    both = sum(count == 2 for count in sides.values())
    return Finding(
        name="refusal",
        title="refusals",
        meaning="Chosen refusals teach refusing; whether that is wanted depends on the prompts.",
        hits=hits,
        note=f"{len(chosen)} chosen, {len(hits) - len(chosen)} rejected, both in {both} pairs"
        if hits
        else "",
    )


def refuses(answer: str) -> str:
    """The words with which the answer declines, or ""."""
    found = REFUSAL.search(answer[:300])
    return f"says {found[0]!r}" if found else ""


def _sides(pairs: Sequence[PreferencePair], why) -> Iterator[Hit]:
    for pair in pairs:
        for side, answer in (("chosen", pair.chosen), ("rejected", pair.rejected)):
            if detail := why(answer):
                yield Hit(id=pair.id, origin=pair.origin, detail=detail, side=side)
