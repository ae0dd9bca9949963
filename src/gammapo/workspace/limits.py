"""The task's rules for settings: what is refused, and what is only remarked on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from gammapo import losses
from gammapo.errors import InputError
from gammapo.losses.spec import Loss
from gammapo.training import Recipe
from gammapo.types import PairLogps


@dataclass(frozen=True, kw_only=True)
class Range:
    """An allowed interval, both ends included, and the value that the task recommends."""

    low: float
    high: float
    recommended: float


BETA = Range(low=2.0, high=10.0, recommended=2.5)
# γ₀ as a share of β: read as absolute, γ-PO's own recipe (β 10, γ₀ 3) would break the task's own range
RATIO = Range(low=0.3, high=1.0, recommended=0.25)
RATE = Range(low=1e-7, high=1e-6, recommended=5e-7)


def check_limits(recipe: Recipe, *, allow_out_of_range: bool = False) -> list[str]:
    """What to say of a recipe's settings, in sentences.

    Raises:
        InputError: a setting outside its range, or not exactly one epoch over all pairs; with
            `allow_out_of_range` that is said instead.
    """
    loss = losses.create(**recipe.loss)
    options: Any = loss.options
    broken: list[InputError] = []
    notices: list[str] = []
    values = []
    if _is_per_token(loss):
        values.append(("loss.beta", getattr(options, "beta", None), BETA))
        if hasattr(options, "target_margin"):
            values.append(("loss.gamma_beta_ratio", options.target_margin / options.beta, RATIO))
    else:  # rewards of summed log-probs are larger by an answer's length: the ranges say nothing of them
        notices.append("the ranges of β and γ₀/β are for log-probs per token, and this loss takes sums")
    values.append(("training.learning_rate", recipe.training.learning_rate, RATE))
    for field, value, span in values:
        if value is None or _within(value, span):
            continue
        if _close(value, span.recommended):
            notices.append(
                f"{field} = {value:g} is the task's recommendation, although its range is "
                f"{span.low:g} to {span.high:g}"
            )
        else:
            broken.append(_outside(field, value, span))
    broken += _one_epoch(recipe)
    if broken and not allow_out_of_range:
        raise broken[0]
    return notices + [f"outside the task's rules, as asked: {error}" for error in broken]


def _is_per_token(loss: Loss) -> bool:
    """Whether answers of twice the length, as likely a token, have the same reward gaps.

    That a loss needs lengths does not say so: some take sums, and lengths for another term.
    """
    gaps = []
    for times in (1.0, 2.0):
        length = times * torch.tensor([10.0, 14.0, 20.0])
        pairs = PairLogps(
            chosen=-2.0 * length,
            rejected=torch.tensor([-3.0, -1.5, -2.5]) * length,
            chosen_length=length,
            rejected_length=length,
            reference_chosen=-2.2 * length,
            reference_rejected=torch.tensor([-2.8, -1.6, -2.4]) * length,
            chosen_score=torch.tensor([1.0, 2.0, 3.0]),
            rejected_score=torch.tensor([0.0, 0.5, 2.0]),
        )
        gaps.append(loss(pairs).reward_gaps)
    return torch.allclose(*gaps, rtol=1e-3)


def _within(value: float, span: Range) -> bool:
    return span.low * (1 - 1e-9) <= value <= span.high * (1 + 1e-9)


def _close(value: float, other: float) -> bool:
    return abs(value - other) <= 1e-9 * abs(other)


def _outside(field: str, value: float, span: Range) -> InputError:
    return InputError(
        f"got {value:g}",
        field=field,
        expected=f"{span.low:g} to {span.high:g} (recommended {span.recommended:g})",
        fix="change it, or pass --allow-out-of-range",
    )


def _one_epoch(recipe: Recipe) -> list[InputError]:
    most = (recipe.training.model_extra or {}).get("max_steps", -1)
    faults = []
    for field, wrong, value in (
        (
            "training.num_train_epochs",
            recipe.training.num_train_epochs != 1,
            recipe.training.num_train_epochs,
        ),
        ("training.max_steps", most > 0, most),
        ("data.limit", recipe.data.limit is not None, recipe.data.limit),
    ):
        if wrong:
            faults.append(
                InputError(
                    f"got {value:g}",
                    field=field,
                    expected="exactly one epoch over all pairs",
                    fix="leave it out, or pass --allow-out-of-range",
                )
            )
    return faults
