"""Checks of the labels: contradictions, repeats, ties, labels against scores, and a liking for length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gammapo.audit.findings import Finding, Hit
from gammapo.audit.wording import same_text
from gammapo.types import PreferencePair


def contradictions_and_repeats(pairs: Sequence[PreferencePair]) -> tuple[Finding, Finding]:
    """Pairs of the same prompt and answers (but for case and white space), by whether their labels agree."""
    groups: dict[int, list[tuple[int, bool]]] = {}
    for index, pair in enumerate(pairs):
        prompt = "\0".join(f"{message.role}\0{same_text(message.content)}" for message in pair.prompt)
        chosen, rejected = same_text(pair.chosen), same_text(pair.rejected)
        if chosen == rejected:  # case or white space alone tell these two apart, so here they count
            chosen, rejected = pair.chosen, pair.rejected
        key = hash((prompt, *sorted((chosen, rejected))))
        groups.setdefault(key, []).append((index, chosen < rejected))
    against, again = [], []
    for members in groups.values():
        if len(members) == 1:
            continue
        labels = {label for _, label in members}
        first = pairs[members[0][0]]
        for index, _ in members if len(labels) == 2 else members[1:]:
            pair = pairs[index]
            other = first if pair is not first else pairs[members[1][0]]
            hit = Hit(id=pair.id, origin=pair.origin, detail=f"with {other.origin or other.id}")
            (against if len(labels) == 2 else again).append((index, hit))
    return (
        Finding(
            name="contradiction",
            title="contradictory duplicates",
            meaning="The same answers as A>B and as B>A: one label is wrong, and nothing says which.",
            hits=tuple(hit for _, hit in sorted(against, key=lambda item: item[0])),
        ),
        Finding(
            name="repeat",
            title="repeated pairs",
            meaning="The same pair counts several times; the first of each group is not named here.",
            hits=tuple(hit for _, hit in sorted(again, key=lambda item: item[0])),
        ),
    )


def ties_and_inversions(pairs: Sequence[PreferencePair]) -> tuple[Finding, Finding]:
    """Pairs whose two scores are equal, and pairs whose rejected answer scores higher."""
    ties, inverted, scored = [], [], 0
    for pair in pairs:
        if pair.chosen_score is None or pair.rejected_score is None:
            continue
        scored += 1
        if pair.chosen_score <= pair.rejected_score:
            detail = f"chosen {pair.chosen_score:g}, rejected {pair.rejected_score:g}"
            hit = Hit(id=pair.id, origin=pair.origin, detail=detail)
            (ties if pair.chosen_score == pair.rejected_score else inverted).append(hit)
    skipped = "" if scored else "the file has no scores"
    note = f"of {scored} scored pairs" if scored < len(pairs) and scored else ""
    return (
        Finding(
            name="tie",
            title="ties (equal scores)",
            meaning="The scores see no difference, so the label is arbitrary.",
            hits=tuple(ties),
            note=note,
            skipped=skipped,
        ),
        Finding(
            name="inversion",
            title="label against score",
            meaning="The answer with the lower score is labelled better: label or score is wrong.",
            hits=tuple(inverted),
            note=note,
            skipped=skipped,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class LengthBias:
    """How often the longer answer is labelled better, by how much longer it is.

    `ratio` are the bins' upper edges of longer / shorter (characters), `share` the share of pairs in the bin
    whose longer answer is chosen, `low` and `high` its 95 % Wilson interval, `count` the pairs in it.
    """

    ratio: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    count: tuple[int, ...]


RATIOS = (1.1, 1.25, 1.5, 2.0, 3.0, math.inf)


def length_bias(pairs: Sequence[PreferencePair]) -> tuple[Finding, LengthBias]:
    """The share of pairs whose longer answer is chosen, overall and by the ratio of the lengths."""
    chosen = np.array([len(pair.chosen) for pair in pairs], dtype=float)
    rejected = np.array([len(pair.rejected) for pair in pairs], dtype=float)
    differ = chosen != rejected
    wins = (chosen > rejected)[differ]
    ratios = (np.maximum(chosen, rejected) / np.maximum(np.minimum(chosen, rejected), 1))[differ]
    bins = np.searchsorted(np.array(RATIOS), ratios)
    rows = []
    for index in range(len(RATIOS)):
        inside = wins[bins == index]
        rows.append((*wilson(int(inside.sum()), len(inside)), len(inside)))
    share, low, high = wilson(int(wins.sum()), len(wins))
    leaning = "longer" if low > 0.5 else "shorter" if high < 0.5 else ""
    note = f"the longer answer is chosen in {100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    note += f": the labels lean to the {leaning} answer" if leaning else ": no leaning shown"
    finding = Finding(
        name="length_bias",
        title="length bias of the labels",
        meaning="Where labels follow length, a model learns length; compare length-controlled win rates.",
        note=note if len(wins) else "all answers have the same length",
    )
    shares, lows, highs, counts = zip(*rows, strict=True)
    return finding, LengthBias(ratio=RATIOS, share=shares, low=lows, high=highs, count=counts)


def wilson(successes: int, trials: int, z: float = 1.959963984540054) -> tuple[float, float, float]:
    """A share and its 95 % Wilson score interval; (nan, 0, 1) of no trials."""
    if trials == 0:
        return math.nan, 0.0, 1.0
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return share, max(0.0, centre - half), min(1.0, centre + half)
