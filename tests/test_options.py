"""Options are built from what a user gave; a wrong name or type is told before arithmetic meets it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from gammapo import losses, margins
from gammapo.errors import InputError
from gammapo.options import build, option


@dataclass(frozen=True, kw_only=True)
class Own:
    size: float = option(1.0, "a size")
    count: int | None = option(None, "a count")
    on: bool = option(True, "a switch")
    name: str = option("x", "a name")
    more: Mapping[str, Any] | None = option(None, "options of another component")


def test_what_fits_is_taken_as_it_is():
    given = {"size": 2, "count": 3, "on": False, "name": "y", "more": {"a": 1}}
    built = build("thing", "own", Own, given)
    assert {name: getattr(built, name) for name in given} == given
    assert build("thing", "own", Own, {}) == Own()
    assert build("thing", "own", Own, {"count": None}).count is None


def test_a_whole_number_may_come_as_a_float():
    """YAML's 1e3 is read as a float."""
    count = build("thing", "own", Own, {"count": 1000.0}).count
    assert (count, type(count)) == (1000, int)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"size": "big"}, "thing.size: got 'big'; expected a number. To mend it: change size"),
        ({"size": None}, "got None; expected a number"),
        ({"size": True}, "got True; expected a number"),
        ({"size": float("nan")}, "expected a number"),
        ({"size": float("inf")}, "expected a number"),
        ({"size": 10**400}, "expected a number"),
        ({"count": 1.5}, "expected a whole number or null"),
        ({"on": 1}, "expected true or false"),
        ({"name": 3}, "expected a word"),
        ({"more": [1]}, "expected a mapping or null"),
        ({"sise": 1}, "thing 'own' has no option 'sise'; expected 'size'"),
    ],
)
def test_what_does_not_fit_is_told(given, said):
    with pytest.raises(InputError, match=said):
        build("thing", "own", Own, given)


@dataclass(frozen=True, kw_only=True)
class Demanding:
    size: float
    place: math.NoSuchThing = None  # pyright: ignore


def test_an_option_without_a_default_is_asked_for():
    with pytest.raises(InputError, match=r"thing.size: thing 'own' needs size, which is missing"):
        build("thing", "own", Demanding, {})


def test_an_annotation_that_is_not_there_checks_nothing():
    assert build("thing", "own", Demanding, {"size": "big"}).size == "big"


@pytest.mark.parametrize("name", losses.names())
def test_no_loss_meets_a_word_where_a_number_belongs(name):
    for key, value in losses.spec.defaults(losses.create(name).spec.options).items():
        if isinstance(value, float):
            with pytest.raises(InputError, match=rf"loss.{key}: got 'much'"):
                losses.create(name, **{key: "much"})


def test_margins_say_the_same():
    with pytest.raises(InputError, match=r"margin.gamma0: got 'much'; expected a number"):
        margins.create("fixed", gamma0="much")
    with pytest.raises(InputError, match="expected a gammapo.margins.MarginSpec"):
        margins.create("gammapo.losses.simpo:SPEC")
