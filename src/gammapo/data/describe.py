"""What a pair file was understood to hold: counts, lengths, scores, repeats. One pass, texts not kept."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gammapo.data.chat import added_bos
from gammapo.data.ids import pair_id
from gammapo.data.load import LoadReport, iter_pairs, nothing_usable
from gammapo.data.mixture import is_mixture
from gammapo.data.pairs import load_pairs
from gammapo.data.tokenize import encode_pair
from gammapo.types import PreferencePair

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
BINS = 24


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Minimum, 5 %, median, 95 %, maximum and mean of one quantity, and its histogram on given edges."""

    minimum: float
    p05: float
    median: float
    p95: float
    maximum: float
    mean: float
    histogram: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Any, edges: np.ndarray | None = None) -> Spread:
        numbers = np.asarray(values, dtype=float)
        low, p05, middle, p95, high = (float(q) for q in np.quantile(numbers, QUANTILES))
        counts = () if edges is None else tuple(int(n) for n in np.histogram(numbers, edges)[0])
        return cls(
            minimum=low,
            p05=p05,
            median=middle,
            p95=p95,
            maximum=high,
            mean=float(numbers.mean()),
            histogram=counts,
        )


@dataclass(frozen=True, kw_only=True)
class Description:
    """What `describe` found. Lengths are in characters, gaps in the scores' own unit.

    `repeats` are rows whose prompt and two answers occurred before with the same label, `contradictions`
    those that occurred before with the other label. `inversions` are pairs whose rejected answer scores
    higher. `length_edges` are the histograms' bin edges, logarithmic.
    """

    report: LoadReport
    turns: dict[int, int]
    system_turns: int
    lengths: dict[str, Spread]
    length_edges: tuple[float, ...]
    chosen_longer: float
    scored: int
    score_gaps: Spread | None
    ties: int
    inversions: int
    repeats: int
    contradictions: int


@dataclass
class _Tally:
    turns: Counter = field(default_factory=Counter)
    system_turns: int = 0
    prompt: array = field(default_factory=lambda: array("Q"))
    chosen: array = field(default_factory=lambda: array("Q"))
    rejected: array = field(default_factory=lambda: array("Q"))
    gaps: array = field(default_factory=lambda: array("d"))
    labels: dict[int, bool] = field(default_factory=dict)
    repeats: int = 0
    contradictions: int = 0

    def add(self, pair: PreferencePair) -> None:
        self.turns[sum(message.role != "system" for message in pair.prompt)] += 1
        self.system_turns += pair.prompt[0].role == "system"
        self.prompt.append(sum(len(message.content) for message in pair.prompt))
        self.chosen.append(len(pair.chosen))
        self.rejected.append(len(pair.rejected))
        if pair.chosen_score is not None and pair.rejected_score is not None:
            self.gaps.append(pair.chosen_score - pair.rejected_score)
        content = int(pair_id(pair.prompt, pair.chosen, pair.rejected), 16)
        label = pair.chosen < pair.rejected
        before = self.labels.setdefault(content, label)
        if len(self.labels) < len(self.chosen) - self.repeats - self.contradictions:
            self.repeats += before == label
            self.contradictions += before != label


def describe(path: str | Path, *, split: str | None = None, limit: int | None = None) -> Description:
    """Read a source once and say what it holds; unusable rows are counted in the report.

    Raises:
        InputError: the source as a whole cannot be used, or holds no usable pair; a limit below 1.
    """
    tally = _Tally()
    if is_mixture(path):
        loaded = load_pairs(path, split=split, limit=limit, on_bad="drop")
        report, pairs = loaded.report, iter(loaded.pairs)
    else:
        report = LoadReport(source=str(path), split=split)
        pairs = iter_pairs(path, split=split, limit=limit, on_bad="drop", report=report)
    for pair in pairs:
        tally.add(pair)
    if not tally.chosen:
        raise nothing_usable(report)
    return _described(report, tally)


def _described(report: LoadReport, tally: _Tally) -> Description:
    sides = {"prompt": tally.prompt, "chosen": tally.chosen, "rejected": tally.rejected}
    longest = max(max(values) for values in sides.values())
    edges = np.geomspace(1, longest + 1, BINS + 1)
    gaps = np.asarray(tally.gaps)
    chosen, rejected = np.asarray(tally.chosen, dtype=float), np.asarray(tally.rejected, dtype=float)
    return Description(
        report=report,
        turns=dict(sorted(tally.turns.items())),
        system_turns=tally.system_turns,
        lengths={name: Spread.of(values, edges) for name, values in sides.items()},
        length_edges=tuple(float(edge) for edge in edges),
        chosen_longer=float(np.mean((chosen > rejected) + 0.5 * (chosen == rejected))),
        scored=len(gaps),
        score_gaps=Spread.of(gaps) if len(gaps) else None,
        ties=int(np.sum(gaps == 0)),
        inversions=int(np.sum(gaps < 0)),
        repeats=tally.repeats,
        contradictions=tally.contradictions,
    )


@dataclass(frozen=True, kw_only=True)
class PreviewToken:
    """One token of a preview; loss falls on it or not."""

    id: int
    text: str
    loss: bool


@dataclass(frozen=True, kw_only=True)
class Preview:
    """One pair as the model will read it: the prompt, then either answer."""

    pair: str
    chosen: tuple[PreviewToken, ...]
    rejected: tuple[PreviewToken, ...]
    template: bool
    leading_bos: int
    tokenizer_adds_bos: bool


def preview(pair: PreferencePair, tokenizer: Any) -> Preview:
    """The pair's tokens, those that carry loss marked, through the tokenizer's own template."""
    ids = encode_pair(pair, tokenizer)

    def marked(answer: list[int]) -> tuple[PreviewToken, ...]:
        flags = [False] * len(ids.prompt) + [True] * len(answer)
        return tuple(
            PreviewToken(id=token, text=tokenizer.decode([token]), loss=loss)
            for token, loss in zip([*ids.prompt, *answer], flags, strict=True)
        )

    bos = tokenizer.bos_token_id
    leading = next((index for index, token in enumerate(ids.prompt) if token != bos), len(ids.prompt))
    return Preview(
        pair=pair.id,
        chosen=marked(ids.chosen),
        rejected=marked(ids.rejected),
        template=bool(tokenizer.chat_template),
        leading_bos=leading if bos is not None else 0,
        tokenizer_adds_bos=added_bos(tokenizer) is not None,
    )
