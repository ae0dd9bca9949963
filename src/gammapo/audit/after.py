"""The audit after training: which labels are suspect by a run's ledger, or by models that were not trained on
them, and how many are wrong in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gammapo.audit.evidence import Evidence, first_visits
from gammapo.audit.posterior import fit_noise, flip_probability, rate_interval
from gammapo.audit.text import text_witnesses
from gammapo.audit.truth import Truth, against_truth
from gammapo.audit.witness import Witnesses, join, judge
from gammapo.errors import InputError
from gammapo.types import PreferencePair

FEWEST = 20  # pairs below which a rate is not worth fitting
KNOWING = 0.05  # p-value at which witnesses count as knowing something of the labels
BYS = ("witnesses", "ledger")


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A pair and the probability that its label is wrong. `evidence` is positive where the model agrees.

    `flipped` is the truth where a manifest tells it.
    """

    pair: PreferencePair
    probability: float
    evidence: float
    flipped: bool | None = None


@dataclass(frozen=True, kw_only=True)
class RunAudit:
    """All judged pairs, the most suspect first, and the estimated share of wrong labels.

    From all visits of a ledger, `rate_first_visit` is the estimate from first visits alone; far above `rate`
    it says that the model has memorised wrong labels. From witnesses, `rate` is read off the `sure` surest
    pairs and is an upper bound, `fitted_rate` is what the curve's shape suggests, and `p_value` how often
    witnesses that know nothing would agree with the labels as well (see `witness.Verdicts`). Fields that the
    other way does not have are None. `missing` counts ids that the pair file does not hold.
    """

    run: str
    suspects: tuple[Suspect, ...]
    rate: float
    rate_ci95: tuple[float, float]
    rate_first_visit: float | None = None
    visits: float | None = None
    fitted_rate: float | None = None
    sure: int | None = None
    p_value: float | None = None
    missing: int = 0
    truth: Truth | None = None

    @property
    def knows(self) -> bool:
        """False where the witnesses agree with the labels no more than chance would: nothing follows then."""
        return self.p_value is None or self.p_value < KNOWING

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        return {
            "run": self.run,
            "pairs": len(self.suspects),
            "visits_per_pair": self.visits,
            "missing": self.missing,
            "estimated_flip_rate": self.rate,
            "estimated_flip_rate_ci95": list(self.rate_ci95),
            "estimated_flip_rate_first_visit": self.rate_first_visit,
            "estimated_flip_rate_fitted": self.fitted_rate,
            "surest_pairs": self.sure,
            "witness_p_value": self.p_value,
            "knows": self.knows,
            "truth": None if self.truth is None else asdict(self.truth),
            "suspects": [
                {
                    "id": one.pair.id,
                    "origin": one.pair.origin,
                    "flip_probability": one.probability,
                    "evidence": one.evidence,
                    "flipped": one.flipped,
                }
                for one in self.suspects[:most]
            ],
        }


def audit_run(
    run: str,
    evidence: Evidence,
    pairs: Sequence[PreferencePair],
    *,
    flipped: Set[str] | None = None,
    seed: int = 0,
    resamples: int = 200,
) -> RunAudit:
    """Rank the pairs that the run trained on.

    Args:
        evidence: as `read_ledger` gives it.
        pairs: the pairs with the labels that were trained on.
        flipped: ids whose label is known to be wrong, from a manifest; None where the truth is not known.
        seed: of the bootstrap.

    Raises:
        InputError: fewer than 20 pairs of the ledger are in the file.
    """
    by_id = {pair.id: pair for pair in pairs}
    known = _known(run, evidence, by_id)
    fit = fit_noise(evidence.mean[known])
    suspects, truth = _ranked(
        [by_id[name] for name in evidence.ids if name in by_id],
        flip_probability(evidence.mean[known], fit),
        evidence.mean[known],
        flipped,
    )
    return RunAudit(
        run=run,
        suspects=suspects,
        rate=fit.rate,
        rate_ci95=rate_interval(evidence.mean[known], seed=seed, resamples=resamples),
        rate_first_visit=fit_noise(evidence.first[known]).rate,
        visits=float(evidence.visits[known].mean()),
        missing=int((~known).sum()),
        truth=truth,
    )


def audit_first_visits(
    run: str, evidence: Evidence, pairs: Sequence[PreferencePair], *, flipped: Set[str] | None = None
) -> RunAudit:
    """Rank a run's pairs by what was known before it trained on each: the gap at the first visit, and the
    texts. See `audit_witnesses`.

    Raises:
        InputError: as `audit_run`, or too few pairs.
    """
    known = _known(run, evidence, {pair.id: pair for pair in pairs})
    witnesses = join(first_visits(evidence), text_witnesses(pairs))
    found = audit_witnesses(run, witnesses, pairs, flipped=flipped)
    return replace(found, visits=1.0, missing=int((~known).sum()))


def _known(run: str, evidence: Evidence, by_id: Mapping[str, PreferencePair]) -> np.ndarray:
    """Which of the ledger's pairs are in the pair file; an error if hardly any."""
    known = np.array([name in by_id for name in evidence.ids])
    if known.sum() < FEWEST:
        raise InputError(
            f"{int(known.sum())} of the ledger's {len(known)} pairs are in the pair file",
            file=run,
            expected=f"at least {FEWEST}",
            fix="give the pair file on which this run was trained",
        )
    return known


def audit_witnesses(
    name: str,
    witnesses: Witnesses,
    pairs: Sequence[PreferencePair],
    *,
    flipped: Set[str] | None = None,
) -> RunAudit:
    """Rank pairs by witnesses that were made without their labels, as `repair.crossfit` makes them.

    Args:
        name: of the witnesses, for people.
        pairs: the pairs with the labels to judge.
        flipped: see `audit_run`.

    Raises:
        InputError: a witnessed pair is not in the file, or there are too few pairs or prompts.
    """
    by_id = {pair.id: pair for pair in pairs}
    unknown = [one for one in witnesses.ids if one not in by_id]
    if unknown:
        raise InputError(
            f"{len(unknown)} witnessed pairs are not in the pair file (the first is {unknown[0]})",
            file=name,
            fix="give the pair file on which the witnesses were made",
        )
    judged = [by_id[one] for one in witnesses.ids]
    found = judge(witnesses, [pair.prompt for pair in judged])
    suspects, truth = _ranked(judged, found.probability, found.evidence, flipped)
    return RunAudit(
        run=name,
        suspects=suspects,
        rate=found.share,
        rate_ci95=found.share_ci95,
        fitted_rate=found.fitted_share,
        sure=found.sure,
        p_value=found.p_value,
        truth=truth,
    )


def _ranked(
    pairs: Sequence[PreferencePair],
    probability: np.ndarray,
    evidence: np.ndarray,
    flipped: Set[str] | None,
) -> tuple[tuple[Suspect, ...], Truth | None]:
    """The pairs as suspects, the most suspect first, and how that compares with the truth where known."""
    truth = None
    if flipped is not None:
        truth = against_truth(probability, np.array([pair.id in flipped for pair in pairs]))
    suspects = tuple(
        Suspect(
            pair=pairs[index],
            probability=float(probability[index]),
            evidence=float(evidence[index]),
            flipped=None if flipped is None else pairs[index].id in flipped,
        )
        for index in np.argsort(-probability, kind="stable")
    )
    return suspects, truth
