"""What a set of on-policy pairs is like: how many, how clear, and whether length gives the label away."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Any

from gammapo.benchmark.on_policy import Selection
from gammapo.benchmark.samples import Sampled


def summarise(selection: Selection, sampled: Sequence[Sampled]) -> dict[str, Any]:
    """Counts and means; scores in the scorer's unit, lengths in characters.

    `score_gap_quartiles` are those of chosen − rejected. `length_gap` is the mean of chosen − rejected and
    `length_gap_se` its standard error; `longer_chosen` is the share of pairs whose chosen answer is the
    longer one, ties counted half.
    """
    answers = [answer for one in sampled for answer in one.answers]
    scores = [one.score for one in answers if one.score is not None and one.finish_reason == "stop"]
    pairs = selection.pairs
    gaps = [(pair.chosen_score or 0.0) - (pair.rejected_score or 0.0) for pair in pairs]
    lengths = [len(pair.chosen) - len(pair.rejected) for pair in pairs]
    return {
        "prompts": len(sampled),
        "answers": len(answers),
        "cut_answers": sum(one.finish_reason != "stop" for one in answers),
        "mean_tokens": _mean([one.tokens for one in answers]),
        "mean_score": _mean(scores),
        "score_sd": round(statistics.stdev(scores), 4) if len(scores) > 1 else None,
        "pairs": len(pairs),
        "dropped": selection.dropped,
        "mean_chosen_score": _mean([pair.chosen_score or 0.0 for pair in pairs]),
        "mean_rejected_score": _mean([pair.rejected_score or 0.0 for pair in pairs]),
        "score_gap_quartiles": [round(cut, 4) for cut in statistics.quantiles(gaps)] if len(gaps) > 1 else [],
        "length_gap": _mean(lengths),
        "length_gap_se": round(statistics.stdev(lengths) / math.sqrt(len(lengths)), 4)
        if len(lengths) > 1
        else None,
        "longer_chosen": _mean([0.5 + 0.5 * ((gap > 0) - (gap < 0)) for gap in lengths]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None
