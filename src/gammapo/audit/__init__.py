"""Which labels cannot be trusted: checks of a pair file before training, suspected flips after it."""

from gammapo.audit.after import BYS, RunAudit, Suspect, audit_first_visits, audit_run, audit_witnesses
from gammapo.audit.before import DROPPED_BY_DEFAULT, AuditReport, audit_pairs
from gammapo.audit.clean import Cleaned, check_clean, write_clean
from gammapo.audit.evidence import Evidence, evidence, first_visits, read_ledger
from gammapo.audit.findings import Finding, Hit
from gammapo.audit.posterior import NoiseFit, fit_noise, flip_probability, rate_interval
from gammapo.audit.repair import Repaired, check_repair, write_repaired
from gammapo.audit.text import text_witnesses
from gammapo.audit.truth import Truth, against_truth
from gammapo.audit.witness import Verdicts, Witnesses, join, judge

__all__ = [
    "BYS",
    "DROPPED_BY_DEFAULT",
    "AuditReport",
    "Cleaned",
    "Evidence",
    "Finding",
    "Hit",
    "NoiseFit",
    "Repaired",
    "RunAudit",
    "Suspect",
    "Truth",
    "Verdicts",
    "Witnesses",
    "against_truth",
    "audit_first_visits",
    "audit_pairs",
    "audit_run",
    "audit_witnesses",
    "check_clean",
    "check_repair",
    "evidence",
    "first_visits",
    "fit_noise",
    "flip_probability",
    "join",
    "judge",
    "rate_interval",
    "read_ledger",
    "text_witnesses",
    "write_clean",
    "write_repaired",
]
