"""Pairs whose true gap, lengths and prompts are known by construction."""

import pytest

from gammapo.types import Message, PreferencePair


def make_pair(number: int, *, gap: float | None = None, chosen="right words here", rejected="wrong words"):
    return PreferencePair(
        id=f"p{number:03}",
        prompt=(Message(role="user", content=f"question {number}"),),
        chosen=f"{chosen} {number}",
        rejected=f"{rejected} {number}",
        chosen_score=gap,
        rejected_score=None if gap is None else 0.0,
    )


@pytest.fixture(name="make_pair")
def _make_pair():
    return make_pair


@pytest.fixture
def scored():
    """100 pairs; pair i has the true gap i, and every second one a longer rejected answer."""
    return [
        make_pair(i, gap=float(i), rejected="wrong words" + " and more" * (i % 2 * (i + 1)))
        for i in range(100)
    ]
