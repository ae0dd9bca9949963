"""One number a held-out prompt, kept small in a row: any two losses of a seed can be compared afterwards."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammapo import evaluation

Values = NDArray[np.float64]


def pack(values: Values) -> str:
    """Half-precision values as text: 512 of them take well under a kilobyte."""
    return base64.b85encode(zlib.compress(values.astype("<f2").tobytes(), 9)).decode()


def unpack(text: str) -> Values:
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype="<f2").astype(np.float64)


def win_rates(gold: Values, lengths: Values, other_gold: Values, other_lengths: Values) -> dict[str, Any]:
    """Raw and length-controlled win rates, as shares, over another model's answers to the same n prompts.

    The answer of more gold wins, equals are draws. The length-controlled rate is None where the prompts
    cannot tell it.
    """
    preferences = 1.5 + 0.5 * np.sign(gold - other_gold)
    try:
        found = evaluation.length_controlled(preferences, lengths, other_lengths, gamed=None)
        controlled = found.length_controlled_winrate / 100
    except evaluation.NotEstimableError:
        controlled = None
    return {
        "win_rate": evaluation.win_rate(preferences).win_rate / 100,
        "length_controlled_winrate": controlled,
    }


def against(row: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any] | None:
    """`win_rates` of one row over another of the same seed; None where a row keeps no prompts."""
    if not ("gold_by_prompt" in row and "gold_by_prompt" in other):
        return None
    mine, theirs = ([unpack(one["gold_by_prompt"]), unpack(one["length_by_prompt"])] for one in (row, other))
    return win_rates(*mine, *theirs)
