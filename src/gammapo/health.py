"""Signs in a run's metrics that training went wrong: the one place that knows the thresholds.

Training looks after every logging step and warns once of each sign; the report looks at the whole run.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
CHECKED = (
    "a loss that is no number, falling likelihood of the chosen answers, wrong labels learned (where the "
    "noise is known), nothing learned, gradient spikes, and length and repetition of samples (where there "
    "are any)"
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a sign is worth a warning. A log-prob's fall is in nats a token, from start to end of the run."""

    fall: float = 0.5  # the likelihood of the chosen answers has dropped to 60 % a token
    deep_fall: float = 1.0  # below which answers of the runs we looked at were no longer fluent
    agreement: float = 0.05  # agreement with the labels above the share of right ones
    length_drift: float = 1.5  # ratio of sampled lengths, end to start, either way
    repetition: float = 0.2  # share of repeated n-grams in sampled answers
    spike: float = 20.0  # a gradient norm over the run's median
    edge: float = 0.1  # share of the run that counts as its start and as its end
    steps: int = 1  # the fewest logging steps that count as start or end; a few, where steps are noisy


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One thing noticed. `level` is "serious", "warning" or "fine"; `name` is short and stable."""

    name: str
    level: str
    text: str


def signs(
    metrics: Sequence[Row], *, noise_rate: float | None = None, limits: Limits | None = None
) -> list[Sign]:
    """What the logging steps show; one sign "fine" if there is nothing to warn of.

    Args:
        metrics: rows of `metrics.jsonl`. Of `sample_length` and `sample_repetition`, which need sampled
            answers, only what is there is checked.
        noise_rate: share of corrupted labels, where known; tells right labels learned from wrong ones.
    """
    limits = limits or Limits()
    found = [
        _broken(metrics),
        _fall(metrics, limits),
        _wrong_labels(metrics, noise_rate, limits),
        _idle(metrics, limits),
        _length(metrics, limits),
        _repetition(metrics, limits),
        _spike(metrics, limits),
    ]
    found = [sign for sign in found if sign is not None]
    if not found:
        text = f"Nothing to warn of in what was logged. Checked: {CHECKED}."
        found = [Sign(name="fine", level="fine", text=text)]
    return sorted(found, key=lambda sign: ("serious", "warning", "fine").index(sign.level))


def ends(
    metrics: Sequence[Row], field: str, edge: float, *, steps: int = 1, fewest: int = 4
) -> tuple[float, float] | None:
    """Means over the first and the last `edge` of the run, but at least `steps` values each; None with
    fewer than `fewest` values, or where the two would overlap."""
    values = [row[field] for row in metrics if _finite(row.get(field))]
    size = max(steps, round(edge * len(values)))
    if len(values) < max(fewest, 2 * size):
        return None
    return statistics.fmean(values[:size]), statistics.fmean(values[-size:])


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: float, digits: int = 2) -> str:
    """With a true minus, and no minus before a zero."""
    text = f"{value:.{digits}f}"
    return (text.lstrip("-") if float(text) == 0 else text).replace("-", "−")


def _percent(rate: float) -> str:
    return f"{100 * rate:.3g} %"


def _broken(metrics: Sequence[Row]) -> Sign | None:
    bad = [row for row in metrics if "loss" in row and not _finite(row["loss"])]
    if not bad:
        return None
    text = f"The loss was no finite number at step {bad[0].get('step', '?')}."
    return Sign(name="not finite", level="serious", text=text)


def _fall(metrics: Sequence[Row], limits: Limits) -> Sign | None:
    found = ends(metrics, "chosen_logp", limits.edge, steps=limits.steps)
    if found is None or found[0] - found[1] < limits.fall:
        return None
    start, end = found
    level = "serious" if start - end >= limits.deep_fall else "warning"
    text = (
        f"**The chosen answers became less likely**: their log-prob fell from {_number(start)} to "
        f"{_number(end)} nats a token. A fall of more than {limits.fall} often ends in text that is "
        "no longer fluent: read some answers, or lower the learning rate or β."
    )
    return Sign(name="collapse", level=level, text=text)


def _wrong_labels(metrics: Sequence[Row], noise_rate: float | None, limits: Limits) -> Sign | None:
    found = ends(metrics, "accuracy", limits.edge)
    if found is None or not noise_rate or found[1] < 1 - noise_rate + limits.agreement:
        return None
    text = (
        f"**Wrong labels are being learned**: the model agrees with {_percent(found[1])} of the labels, of "
        f"which at most {_percent(1 - noise_rate)} are right. Fewer epochs, a lower learning rate or a "
        "bounded loss may help."
    )
    return Sign(name="wrong labels", level="warning", text=text)


def _idle(metrics: Sequence[Row], limits: Limits) -> Sign | None:
    found = ends(metrics, "reward_gap", limits.edge)
    accuracy = ends(metrics, "accuracy", limits.edge)
    if found is None or accuracy is None or found[1] > found[0] or accuracy[1] > accuracy[0]:
        return None
    text = (
        f"**Little was learned**: neither the reward gap ({_number(found[0])} to {_number(found[1])}) nor "
        f"the agreement with the labels ({_percent(accuracy[0])} to {_percent(accuracy[1])}) grew."
    )
    return Sign(name="idle", level="warning", text=text)


def _length(metrics: Sequence[Row], limits: Limits) -> Sign | None:
    found = ends(metrics, "sample_length", limits.edge, fewest=2)
    if found is None or min(found) <= 0:
        return None
    ratio = found[1] / found[0]
    if 1 / limits.length_drift < ratio < limits.length_drift:
        return None
    text = f"**Answers changed in length**: from {_number(found[0], 0)} to {_number(found[1], 0)} on average."
    return Sign(name="length drift", level="warning", text=text)


def _repetition(metrics: Sequence[Row], limits: Limits) -> Sign | None:
    found = ends(metrics, "sample_repetition", limits.edge, fewest=2)
    if found is None or found[1] < limits.repetition or found[1] <= found[0]:
        return None
    before, now = _percent(found[0]), _percent(found[1])
    text = f"**Sampled answers repeat themselves**: {now} of their n-grams, {before} before."
    return Sign(name="repetition", level="serious", text=text)


def _spike(metrics: Sequence[Row], limits: Limits) -> Sign | None:
    # steps without a gradient, as hinges have, say nothing of its usual size
    rows = [row for row in metrics if _finite(row.get("grad_norm")) and row["grad_norm"] > 0]
    norms = [row["grad_norm"] for row in rows]
    if len(norms) < 4 or max(norms) < limits.spike * statistics.median(norms):
        return None
    worst = rows[norms.index(max(norms))]
    text = (
        f"**A gradient spiked** at step {worst.get('step', '?')}: norm {_number(max(norms))}, "
        f"{max(norms) / statistics.median(norms):.0f} times the median."
    )
    return Sign(name="spike", level="warning", text=text)
