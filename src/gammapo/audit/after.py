"""The audit after training: which labels the run's ledger makes suspect, and how many are wrong in all."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gammapo.audit.evidence import Evidence
from gammapo.audit.posterior import fit_noise, flip_probability, rate_interval
from gammapo.audit.truth import Truth, against_truth
from gammapo.errors import InputError
from gammapo.types import PreferencePair

FEWEST = 20  # pairs below which a rate is not worth fitting


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
    """All pairs of a run, the most suspect first, and the estimated share of wrong labels.

    `rate_first_visit` is the estimate from first visits alone; far above `rate` it says that the model has
    memorised wrong labels. `missing` counts ledger ids that the pair file does not hold.
    """

    run: str
    suspects: tuple[Suspect, ...]
    rate: float
    rate_ci95: tuple[float, float]
    rate_first_visit: float
    slope: float
    visits: float
    missing: int
    truth: Truth | None

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        return {
            "run": self.run,
            "pairs": len(self.suspects),
            "visits_per_pair": self.visits,
            "missing": self.missing,
            "estimated_flip_rate": self.rate,
            "estimated_flip_rate_ci95": list(self.rate_ci95),
            "estimated_flip_rate_first_visit": self.rate_first_visit,
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
    known = np.array([name in by_id for name in evidence.ids])
    if known.sum() < FEWEST:
        raise InputError(
            f"{int(known.sum())} of the ledger's {len(known)} pairs are in the pair file",
            file=run,
            expected=f"at least {FEWEST}",
            fix="give the pair file on which this run was trained",
        )
    fit = fit_noise(evidence.mean[known])
    probability = flip_probability(evidence.mean, fit)
    ranked = [index for index in np.argsort(-probability, kind="stable") if known[index]]
    names = evidence.ids
    truth = None
    if flipped is not None:
        wrong = np.array([name in flipped for name in names])
        truth = against_truth(probability[known], wrong[known])
    return RunAudit(
        run=run,
        suspects=tuple(
            Suspect(
                pair=by_id[names[index]],
                probability=float(probability[index]),
                evidence=float(evidence.mean[index]),
                flipped=None if flipped is None else names[index] in flipped,
            )
            for index in ranked
        ),
        rate=fit.rate,
        rate_ci95=rate_interval(evidence.mean[known], seed=seed, resamples=resamples),
        rate_first_visit=fit_noise(evidence.first[known]).rate,
        slope=fit.slope,
        visits=float(evidence.visits[known].mean()),
        missing=int((~known).sum()),
        truth=truth,
    )
