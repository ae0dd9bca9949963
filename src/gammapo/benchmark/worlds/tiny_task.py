"""The task of the tiny world: repeat five digits, and what an answer is worth. Pure functions of text.

A prompt is five random digits. An answer is digits, each in one of two forms ("0"…"9" or "a"…"j" for the same
ten digits), then as many filler dots as it likes, up to four. Two properties are worth something:

- `right`: the share of places that hold the prompt's digit. The base was shown wrong digits 40 % of the time,
  so it gives right digits more likelihood: its own likelihood predicts this property.
- `form`: the share of places in the demanded form (letters for odd digits, figures for even ones). The base
  saw both forms equally often: its likelihood says nothing of this property.

Gold is (1 − w)·form + w·right, halved unless there are exactly five digits and nothing behind the dots.
Dots are free, so gold knows no length.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIGITS = 5
DOTS = 4
PAD, BOS, END, ASK, DOT, FIRST = 0, 1, 2, 3, 4, 5
SYMBOLS = "0123456789abcdefghij"
LETTERS = "_^$?." + SYMBOLS  # token id → how it is written; "$" ends the turn and is never written
KNOWN = frozenset(LETTERS) - {"$"}
VOCABULARY = len(LETTERS)
PROMPT_TOKENS = DIGITS + 2
ANSWER_TOKENS = DIGITS + DOTS + 1  # with the end of the turn
WRONG, MORE_DOTS = 0.4, 0.5  # of the demonstrations: digits replaced at random; another dot follows

Ids = NDArray[np.int64]


def properties(prompt: str, answer: str) -> tuple[float, float, bool]:
    """(right, form, well formed) of an answer, the first two as shares of the five places."""
    body = answer.rstrip(".")
    values = [SYMBOLS.find(symbol) for symbol in body[:DIGITS]]
    right = sum(value >= 0 and value % 10 == int(digit) for value, digit in zip(values, prompt, strict=False))
    form = sum(value >= 0 and (value >= 10) == (value % 2 == 1) for value in values)
    well_formed = len(body) == DIGITS and "." not in body
    return right / DIGITS, form / DIGITS, well_formed


def gold(prompt: str, answer: str, weight: float) -> float:
    """The gold reward in [0, 1]; `weight` w is how much right digits count against forms."""
    right, form, well_formed = properties(prompt, answer)
    return (weight * right + (1 - weight) * form) * (1.0 if well_formed else 0.5)


def demonstrations(count: int, rng: np.random.Generator) -> Ids:
    """(count, PROMPT_TOKENS + ANSWER_TOKENS) token ids, padded on the right: prompt, answer, end."""
    digits = rng.integers(0, 10, (count, DIGITS))
    wrong = rng.random((count, DIGITS)) < WRONG
    shown = np.where(wrong, rng.integers(0, 10, (count, DIGITS)), digits)
    forms = rng.integers(0, 2, (count, DIGITS))
    dots = np.minimum(rng.geometric(1 - MORE_DOTS, count) - 1, DOTS)
    rows = np.full((count, PROMPT_TOKENS + ANSWER_TOKENS), PAD, dtype=np.int64)
    rows[:, 0], rows[:, DIGITS + 1] = BOS, ASK
    rows[:, 1 : DIGITS + 1] = FIRST + digits
    rows[:, PROMPT_TOKENS : PROMPT_TOKENS + DIGITS] = FIRST + shown + 10 * forms
    places = np.arange(DOTS + 1)
    tail = np.where(places < dots[:, None], DOT, np.where(places == dots[:, None], END, PAD))
    rows[:, PROMPT_TOKENS + DIGITS :] = tail
    return rows


def prompt_ids(prompt: str) -> list[int]:
    return [BOS, *(FIRST + int(digit) for digit in prompt), ASK]


def answer_ids(answer: str) -> list[int]:
    """Token ids of an answer's text with the end of the turn; unknown symbols are read as a dot."""
    return [*(LETTERS.find(symbol) if symbol in KNOWN else DOT for symbol in answer), END]


def text(ids: list[int]) -> str:
    """The text of generated ids up to the end of the turn."""
    stop = ids.index(END) if END in ids else len(ids)
    return "".join(LETTERS[token] for token in ids[:stop])
