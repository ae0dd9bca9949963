"""The score by hand, and what cannot be a baseline."""

import pytest

from gammapo.errors import InputError
from gammapo.workspace.score import Rates, parse_rates, score

SIMPO, HIGHER = Rates(lc=40, wr=30), Rates(lc=50, wr=50)


@pytest.mark.parametrize(
    ("rates", "lc", "wr"),
    [
        ((40, 30), 0, 0),  # at SimPO
        ((20, 10), 0, 0),  # below it
        ((50, 50), 100, 100),  # at the higher baseline
        ((60, 70), 100, 100),  # above it
        ((42.5, 40), 25, 50),  # linear between
    ],
)
def test_score(rates, lc, wr):
    points = score(Rates(lc=rates[0], wr=rates[1]), SIMPO, HIGHER)
    assert (points.lc, points.wr, points.task) == (lc, wr, (lc + wr) / 2)


def test_a_higher_baseline_is_higher():
    with pytest.raises(InputError, match="not above"):
        score(SIMPO, SIMPO, Rates(lc=50, wr=30))


def test_rates_from_text():
    assert parse_rates("40.5/30", "--simpo") == Rates(lc=40.5, wr=30)
    for wrong in ("40", "a/b", "40/130", "missing.json"):
        with pytest.raises(InputError):
            parse_rates(wrong, "--simpo")


def test_rates_against_another_reference_are_no_baseline():
    """annotations_simpo.json is of the submission against SimPO, not of SimPO against the reference."""
    rates, other = Rates(lc=45, wr=40, reference="gpt4"), Rates(lc=40, wr=30, reference="simpo")
    with pytest.raises(InputError, match="--simpo: its judgements are against 'simpo'; expected .*'gpt4'"):
        score(rates, other, HIGHER)
    assert score(rates, SIMPO, Rates(lc=50, wr=50, reference="gpt4")).task == 50
