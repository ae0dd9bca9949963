"""What judging will cost, told and capped before the first call."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gammapo.errors import InputError

CHARACTERS_PER_TOKEN = 3.5  # of English text in common vocabularies, rather low, so that estimates are high


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Calls still to be made; tokens estimated from characters; cost in the currency of the prices."""

    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float | None

    def describe(self) -> str:
        text = f"{self.calls} calls, about {self.prompt_tokens + self.completion_tokens:,} tokens"
        return text + ("" if self.cost is None else f", about {self.cost:.2f}")


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Prices per million tokens and caps; None is unknown and unlimited."""

    price_in: float | None = None
    price_out: float | None = None
    max_calls: int | None = None
    max_cost: float | None = None

    def __post_init__(self):
        for name in ("price_in", "price_out", "max_calls", "max_cost"):
            value = getattr(self, name)
            # NaN is neither above nor below anything, and would switch a cap off
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"got {value}", field=name, expected="a finite number, 0 or above")
        if self.price_out is not None and self.price_in is None:
            raise InputError(
                "a price of the reply alone makes no cost", field="price_out", fix="give --price-in too"
            )
        if self.max_cost is not None and self.price_in is None:
            raise InputError(
                "a cap on the cost needs prices", field="max_cost", fix="give --price-in and --price-out"
            )

    def check(self, expected: Estimate) -> None:
        """Raise InputError if the estimate is over a cap."""
        if self.max_calls is not None and expected.calls > self.max_calls:
            raise InputError(
                f"judging needs {expected.calls} calls",
                field="max_calls",
                expected=f"at most {self.max_calls}",
            )
        if self.max_cost is not None and expected.cost is not None and expected.cost > self.max_cost:
            raise InputError(
                f"judging would cost about {expected.cost:.2f}",
                field="max_cost",
                expected=f"at most {self.max_cost:.2f}",
            )


def estimate(
    requests: Sequence[Mapping[str, Any]], budget: Budget, characters_per_token: float | None = None
) -> Estimate:
    """Calls, tokens and cost of these requests; `characters_per_token` as measured, where it was."""
    characters = sum(len(json.dumps(request)) for request in requests)
    prompt = round(characters / (characters_per_token or CHARACTERS_PER_TOKEN))
    completion = sum(int(request["max_tokens"]) for request in requests)
    cost = None
    if budget.price_in is not None:
        cost = (prompt * budget.price_in + completion * (budget.price_out or 0.0)) / 1e6
    return Estimate(calls=len(requests), prompt_tokens=prompt, completion_tokens=completion, cost=cost)
