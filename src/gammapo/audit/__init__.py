"""Which labels cannot be trusted: checks of a pair file before training, suspected flips after it."""

from gammapo.audit.before import DROPPED_BY_DEFAULT, AuditReport, audit_pairs
from gammapo.audit.clean import Cleaned, write_clean
from gammapo.audit.findings import Finding, Hit

__all__ = [
    "DROPPED_BY_DEFAULT",
    "AuditReport",
    "Cleaned",
    "Finding",
    "Hit",
    "audit_pairs",
    "write_clean",
]
