"""Witnesses: numbers that speak for or against a label and were made without it, and what follows from them.

A witness of a pair changes its sign when the two answers change places, and positive is for the label's side:
the gap of a model that was not trained on this label, the base's own gap, a trait of the texts. They are
weighed by a logistic regression of the given labels (no intercept: sides have no name), contaminated by a
share ε of wrong labels,

    P(label | x) = ε + (1 − 2ε) σ(w·x),     P(label wrong | x) = ε σ(−w·x) / P(label | x).

Symmetric noise shrinks the slope of such a regression and leaves its direction, so w can be learnt from the
noisy labels themselves.

ε is another matter. A label that contradicts the witnesses is wrong, or the witnesses are; the data alone
cannot say which. Only where the witnesses are sure are the two told apart: with q(c) the probability that
witnesses of confidence c = |w·x| are right, labels contradict them at the rate d(c) = ε + (1−2ε)(1−q(c))
≥ ε. So the rate of contradiction among the surest pairs is an *upper bound* of ε, and close to it if the
witnesses are hardly ever wrong there. `share` is that rate, over the surest tenth; each pair is asked
about by weights that its own label had no part in, or few pairs and many witnesses would seem to agree.
It is a bound for noise that does not depend on the pair, and says nothing of flips on certain pairs only.
The curve's shape, fitted with ε free, gives another reading, which falls short where confidence grows more
slowly than the curve, and can fail altogether. The two bracket ε as a rule, and the probabilities take the
middle (counting the second as half of the bound at least): at the bound itself weak witnesses accuse most of
the labels that contradict them.

Witnesses may also know nothing of these labels. Then nothing follows, and `p_value` says so: it is that of
agreement with labels that the weights have not seen, by chance alone.

Pairs of one prompt are no independent observations: they share the prompt, often an answer, and with it the
luck of the witnesses. So weights never learn from pairs of the prompt that they are asked about, and
`p_value` counts prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta, wilcoxon

from gammapo.errors import InputError

SUREST = 0.1  # share of the pairs over which ε is read
FEWEST_SURE = 20  # and the fewest pairs
FOLDS = 5  # in which weights are learnt to read ε
PRIOR = 2.0  # standard deviation of w before the data, for witnesses of unit root mean square
MAX_RATE = 0.49


@dataclass(frozen=True, kw_only=True)
class Witnesses:
    """`values` (n, k): k witnesses of n pairs, positive for the label; `names` (k,) says what they are."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(self.ids), len(self.names)):
            raise InputError(
                f"witnesses of shape {self.values.shape}", expected=f"({len(self.ids)}, {len(self.names)})"
            )
        if not np.isfinite(self.values).all():
            raise InputError("a witness is not a finite number", expected="finite numbers")


def join(first: Witnesses, second: Witnesses) -> Witnesses:
    """Both kinds of witnesses, of the pairs that both know, in the order of the first."""
    place = {name: index for index, name in enumerate(second.ids)}
    ids = tuple(name for name in first.ids if name in place)
    known = [index for index, name in enumerate(first.ids) if name in place]
    return Witnesses(
        ids=ids,
        names=first.names + second.names,
        values=np.hstack([first.values[known], second.values[[place[name] for name in ids]]]),
    )


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """`evidence` (n,) is w·x, the log-odds that the label's side is better; `probability` (n,) that the label
    is wrong, for an ε halfway between two readings. `share` is the rate of contradiction among the `sure`
    surest pairs with its exact 95 % interval (Clopper–Pearson), an upper bound of ε; `fitted_share` is the ε
    that the logistic curve's shape suggests, which falls short where confidence grows slower than the curve.
    `weights` (k,) are w. `p_value` is one-sided: how often witnesses that know nothing of the labels would
    agree with them as well (Wilcoxon's signed ranks of a prompt's mean evidence, by weights that have not
    seen its labels).
    """

    evidence: np.ndarray
    probability: np.ndarray
    share: float
    share_ci95: tuple[float, float]
    sure: int
    fitted_share: float
    weights: np.ndarray
    p_value: float


def check_count(pairs: int) -> None:
    """Raise InputError for fewer than 40 pairs, on which the surest say nothing."""
    if pairs < 2 * FEWEST_SURE:
        raise InputError(
            f"{pairs} pairs",
            expected=f"at least {2 * FEWEST_SURE}, to judge labels by witnesses",
            fix="give more pairs, or judge by a run's ledger (--by ledger)",
        )


def judge(witnesses: Witnesses, prompts: Sequence[object] | None = None) -> Verdicts:
    """Weigh the witnesses against the given labels.

    Args:
        prompts: (n,) of each pair; equal ones are one prompt. None says that each pair has its own.

    Raises:
        InputError: fewer than 40 pairs, on which the surest say nothing, or fewer than five prompts.
    """
    x = witnesses.values
    prompts = range(len(x)) if prompts is None else prompts
    if len(x) < 2 * FEWEST_SURE:
        raise InputError(
            f"{len(x)} pairs", expected=f"at least {2 * FEWEST_SURE}, to judge labels by witnesses"
        )
    unseen = _without_own_labels(x, prompts)
    sure = np.argsort(-np.abs(unseen), kind="stable")[: max(FEWEST_SURE, round(SUREST * len(x)))]
    against = int((unseen[sure] < 0).sum())
    share = min(against / len(sure), MAX_RATE)
    fitted = fit(x).rate
    low, high = clopper_pearson(against, len(sure))
    rate = (share + min(max(fitted, share / 2), share)) / 2
    weights = fit(x, rate=rate).weights
    evidence = x @ weights
    return Verdicts(
        evidence=evidence,
        probability=expit(np.log(max(rate, 1e-6) / (1 - rate)) - evidence),
        share=share,
        share_ci95=(min(low, share), high),  # share is cut at 0.49, which can lie below the interval
        sure=len(sure),
        fitted_share=fitted,
        weights=weights,
        p_value=_p_value(unseen, prompts),
    )


def _p_value(unseen: np.ndarray, prompts: Sequence[object]) -> float:
    """Of the evidence (n,), each prompt counting once, by the mean over its pairs."""
    number = {prompt: index for index, prompt in enumerate(dict.fromkeys(prompts))}
    which = [number[prompt] for prompt in prompts]
    means = np.bincount(which, weights=unseen) / np.bincount(which)
    if not means.any():
        return 1.0
    found: Any = wilcoxon(means, alternative="greater")
    return float(found.pvalue)


def _without_own_labels(x: np.ndarray, prompts: Sequence[object]) -> np.ndarray:
    """(n,) w·x with w learnt from the other folds, one draw of folds for all, cut by prompt."""
    if len(set(prompts)) < FOLDS:
        raise InputError(
            f"pairs of {len(set(prompts))} prompts",
            expected=f"at least {FOLDS}, to judge labels by weights that have not seen the prompt",
            fix="give pairs of more prompts, or judge by a run's ledger (--by ledger)",
        )
    fold = fold_of(prompts, FOLDS, seed=0)
    evidence = np.empty(len(x))
    for number in range(FOLDS):
        evidence[fold == number] = x[fold == number] @ fit(x[fold != number]).weights
    return evidence


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """ε and w (k,), in units of 1 / witness."""

    rate: float
    weights: np.ndarray


def fit(values: np.ndarray, rate: float | None = None) -> Weighed:
    """Maximum likelihood of w, and of ε in [0, 0.49] unless `rate` fixes it.

    Args:
        values: (n, k) witnesses.
    """
    scale = np.sqrt((values**2).mean(0))
    scale = np.where(scale > 0, scale, 1.0)  # a witness that never speaks keeps quiet
    x = values / scale
    ridge = 0.5 / PRIOR**2 / len(x)

    def negative(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        free = MAX_RATE * expit(parameters[0]) if rate is None else rate
        right = expit(x @ parameters[1:])
        agree = np.maximum(free + (1 - 2 * free) * right, 1e-300)
        slope = (1 - 2 * free) * right * (1 - right) / agree
        d_rate = -np.mean((1 - 2 * right) / agree) * free * (1 - free / MAX_RATE) if rate is None else 0.0
        gradient = np.concatenate([[d_rate], -(slope @ x) / len(x) + 2 * ridge * parameters[1:]])
        return -float(np.log(agree).mean()) + ridge * float(parameters[1:] @ parameters[1:]), gradient

    starts = [
        (start, slope) for start in ((-3.0, 0.0, 2.0) if rate is None else (0.0,)) for slope in (0.3, 3.0)
    ]
    fits = [
        minimize(
            negative,
            [start, *(slope * np.ones(x.shape[1]))],
            jac=True,
            method="L-BFGS-B",
            bounds=[(-10, 10), *([(-20, 20)] * x.shape[1])],
        )
        for start, slope in starts
    ]
    best = min(fits, key=lambda found: found.fun)
    found = float(MAX_RATE * expit(best.x[0])) if rate is None else rate
    return Weighed(rate=found, weights=best.x[1:] / scale)


def clopper_pearson(hits: int, of: int, level: float = 0.95) -> tuple[float, float]:
    """The exact binomial interval (Clopper and Pearson 1934)."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, of - hits + 1))
    high = 1.0 if hits == of else float(beta.ppf(1 - tail, hits + 1, of - hits))
    return low, high


def fold_of(groups: Sequence[object], folds: int, seed: int) -> np.ndarray:
    """(n,) the fold of each pair; pairs of one group (one prompt) share it, and folds are of like size.

    Raises:
        InputError: fewer groups than folds, or fewer than two folds.
    """
    names = list(dict.fromkeys(groups))
    if not 2 <= folds <= len(names):
        raise InputError(
            f"{folds} folds of {len(names)} prompts",
            field="--cross-fit",
            expected="2 to the number of prompts",
        )
    order = np.random.default_rng(seed).permutation(len(names))
    fold = {names[index]: place % folds for place, index in enumerate(order)}
    return np.array([fold[group] for group in groups])
