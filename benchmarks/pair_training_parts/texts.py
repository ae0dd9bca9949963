"""The pairs to train on: texts of drawn lengths, or AlpacaEval's."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np

Row = dict[str, str]
PROMPT_MEAN, ANSWER_MEAN = 150, 175  # tokens, as in UltraFeedback
PROMPT_SIGMA, ANSWER_SIGMA = 0.8, 0.6  # of the logarithm
LONGEST = 1000  # tokens of a prompt with either answer: below TRL's own limit of 1,024, so nothing is cut


def drawn_texts(model: Path, count: int, *, seed: int, longest: int = LONGEST) -> list[Row]:
    """`count` pairs of random words whose token counts are lognormal with the means above; a pair whose
    prompt and longer answer exceed `longest` tokens is drawn again."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    draw = np.random.default_rng(seed)
    words = single_token_words(tokenizer)

    def length(mean: float, sigma: float) -> int:
        return max(4, int(draw.lognormal(np.log(mean) - sigma**2 / 2, sigma)))

    def text(tokens: int) -> str:
        return "".join(words[i] for i in draw.integers(0, len(words), tokens))

    rows: list[Row] = []
    while len(rows) < count:
        prompt = length(PROMPT_MEAN, PROMPT_SIGMA)
        answers = [length(ANSWER_MEAN, ANSWER_SIGMA) for _ in range(2)]
        if prompt + max(answers) <= longest:
            rows.append({"prompt": text(prompt), "chosen": text(answers[0]), "rejected": text(answers[1])})
    return rows


def single_token_words(tokenizer) -> list[str]:
    texts = (tokenizer.decode([i]) for i in range(1000, 9000))
    return [t for t in texts if t[:1] == " " and t[1:].isascii() and t[1:].isalpha()]


def read_texts(path: Path, count: int, *, longest: int = LONGEST) -> list[Row]:
    """The first `count` comparisons with a clear winner that fit into `longest` tokens of 4 characters."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as source:
        found = json.load(source)
    rows = []
    for one in found:
        if one["preference"] is None or one["preference"] == 1.5:
            continue
        better, worse = ("output_2", "output_1") if one["preference"] > 1.5 else ("output_1", "output_2")
        if max(len(one[side]) + len(one["instruction"]) for side in (better, worse)) < 4 * longest:
            rows.append({"prompt": one["instruction"], "chosen": one[better], "rejected": one[worse]})
    return rows[:count]


def grouped(rows: list[Row], batch: int, steps: int, *, seed: int) -> list[Row]:
    """The rows of `steps` batches taken evenly from transformers' own length-grouped order of all rows."""
    import torch
    from transformers.trainer_pt_utils import LengthGroupedSampler

    lengths = [len(r["prompt"]) + max(len(r["chosen"]), len(r["rejected"])) for r in rows]
    order = list(LengthGroupedSampler(batch, lengths=lengths, generator=torch.Generator().manual_seed(seed)))
    starts = ((np.arange(steps) + 0.5) / steps * len(order)).astype(int) // batch * batch
    return [rows[i] for start in starts for i in order[start : start + batch]]


def longest_step_first(rows: list[Row], size: int) -> list[Row]:
    """The step with the most text moved to the front: it is the one that is not timed."""
    steps = [rows[i : i + size] for i in range(0, len(rows), size)]
    steps.insert(0, steps.pop(max(range(len(steps)), key=lambda i: sum(len(str(r)) for r in steps[i]))))
    return [row for step in steps for row in step]
