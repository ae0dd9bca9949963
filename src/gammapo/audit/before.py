"""The audit before training: all checks of a pair file, in one pass each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gammapo.audit.answers import cut_off, near_identical, refusals
from gammapo.audit.findings import Finding, Hit
from gammapo.audit.labels import LengthBias, contradictions_and_repeats, length_bias, ties_and_inversions
from gammapo.audit.leakage import leakage
from gammapo.audit.tokens import token_checks
from gammapo.data import REASONS, LoadedPairs, LoadReport
from gammapo.types import Message, PreferencePair

# what a cleaned file leaves out unless told otherwise
DROPPED_BY_DEFAULT = ("near_identical", "contradiction", "repeat", "leakage", "template")
DROPPABLE = (*DROPPED_BY_DEFAULT, "tie", "inversion", "cut_off", "refusal", "too_long")  # and what it can


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What the audit of one file found. `pairs` are the usable ones, unusable rows are a finding."""

    load: LoadReport
    findings: tuple[Finding, ...]
    length_bias: LengthBias
    pairs: Sequence[PreferencePair]

    def finding(self, name: str) -> Finding:
        return next(one for one in self.findings if one.name == name)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values, without any text of the pairs but the words that a hit quotes."""
        bias = self.length_bias
        return {
            "source": self.load.source,
            "shape": self.load.shape,
            "rows": self.load.rows,
            "pairs": len(self.pairs),
            "unusable": self.load.drop_counts,
            "noise_marker": self.load.noise_marker,
            "fingerprint": self.load.fingerprint,
            "findings": {one.name: one.as_dict() for one in self.findings},
            "length_bias": [
                {
                    "longer_over_shorter_up_to": None if ratio == float("inf") else ratio,
                    "pairs": count,
                    "longer_chosen": None if count == 0 else share,
                    "ci95": [low, high],
                }
                for ratio, share, low, high, count in zip(
                    bias.ratio, bias.share, bias.low, bias.high, bias.count, strict=True
                )
            ],
        }


def audit_pairs(
    loaded: LoadedPairs,
    *,
    tokenizer: Any | None = None,
    max_length: int = 2048,
    held_out: Sequence[tuple[str, Sequence[Message]]] | None = None,
) -> AuditReport:
    """Run every check on pairs that were loaded with on_bad="drop".

    Args:
        loaded: the pairs and how they were read.
        tokenizer: for the checks of template, BOS and token limits; without one they are skipped, and say so.
        max_length: limit of tokens for prompt and answer together.
        held_out: (name, prompt) of each evaluation prompt, for the check of leakage.
    """
    pairs = loaded.pairs
    bias, by_ratio = length_bias(pairs)
    findings = (
        _unusable(loaded.report),
        near_identical(pairs),
        *contradictions_and_repeats(pairs),
        *ties_and_inversions(pairs),
        bias,
        cut_off(pairs),
        refusals(pairs),
        leakage(pairs, held_out),
        *token_checks(pairs, tokenizer, max_length),
    )
    return AuditReport(load=loaded.report, findings=findings, length_bias=by_ratio, pairs=pairs)


def _unusable(report: LoadReport) -> Finding:
    reasons = ", ".join(f"{REASONS[name]} ({count})" for name, count in report.drop_counts.items())
    return Finding(
        name="unusable",
        title="unusable rows",
        meaning="Identical or empty answers, or broken rows: no file that gammapo writes holds them.",
        hits=tuple(Hit(id=drop.origin, origin=drop.origin, detail=drop.problem) for drop in report.dropped),
        note=reasons,
    )
