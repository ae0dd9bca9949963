"""Which labels cannot be trusted: checks of a pair file before training, suspected flips after it."""

from gammapo.audit.after import RunAudit, Suspect, audit_run
from gammapo.audit.before import DROPPED_BY_DEFAULT, AuditReport, audit_pairs
from gammapo.audit.clean import Cleaned, write_clean
from gammapo.audit.evidence import Evidence, evidence, read_ledger
from gammapo.audit.findings import Finding, Hit
from gammapo.audit.posterior import NoiseFit, fit_noise, flip_probability, rate_interval
from gammapo.audit.repair import Repaired, write_repaired
from gammapo.audit.truth import Truth, against_truth

__all__ = [
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
    "against_truth",
    "audit_pairs",
    "audit_run",
    "evidence",
    "fit_noise",
    "flip_probability",
    "rate_interval",
    "read_ledger",
    "write_clean",
    "write_repaired",
]
