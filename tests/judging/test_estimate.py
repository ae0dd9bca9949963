"""Estimates and caps, by hand."""

import pytest

from gammapo.errors import InputError
from gammapo.judging.estimate import Budget, Estimate, estimate


def test_tokens_and_cost():
    requests = [{"max_tokens": 1, "x": "y" * 974}] * 2
    size = len('{"max_tokens": 1, "x": ""}') + 974
    found = estimate(requests, Budget(price_in=10.0, price_out=100.0), characters_per_token=4)
    assert (found.calls, found.prompt_tokens, found.completion_tokens) == (2, size * 2 // 4, 2)
    assert found.cost == pytest.approx((size * 2 / 4 * 10 + 2 * 100) / 1e6)
    assert estimate(requests, Budget()).cost is None


def test_caps():
    expected = Estimate(calls=5, prompt_tokens=100, completion_tokens=5, cost=2.0)
    Budget(max_calls=5, price_in=1.0, max_cost=2.0).check(expected)
    with pytest.raises(InputError, match="needs 5 calls; expected at most 4"):
        Budget(max_calls=4).check(expected)
    with pytest.raises(InputError, match=r"about 2.00; expected at most 1.50"):
        Budget(price_in=1.0, max_cost=1.5).check(expected)
    with pytest.raises(InputError, match="needs prices"):
        Budget(max_cost=1.0)
    with pytest.raises(InputError, match="max_calls: got -1"):
        Budget(max_calls=-1)


@pytest.mark.parametrize("name", ["price_in", "price_out", "max_cost"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), -0.5])
def test_prices_and_caps_are_numbers(name, value):
    """No comparison with NaN holds, so that as a cap it would let everything pass."""
    with pytest.raises(InputError, match=f"{name}: got .*finite"):
        Budget(**{"price_in": 1.0, "price_out": 1.0, "max_cost": 1.0, name: value})
