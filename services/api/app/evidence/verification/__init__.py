"""Verifying a ledger offline: a database, a copy of one, or an export, without asking the server.

It shares formats with the writer and nothing else: what it opens it opens for reading, what it says
comes from the bodies up. `findings.Report` is how every verification ends.
"""

from app.evidence.verification.database import verify_database
from app.evidence.verification.export import verify_export
from app.evidence.verification.findings import Finding, Part, Report
from app.evidence.verification.opening import NotReadable
from app.evidence.verification.targets import (
    Held,
    Target,
    TargetInvalid,
    held_in,
    keys_in,
    of_copy,
    of_home,
)

__all__ = [
    "Finding",
    "Held",
    "NotReadable",
    "Part",
    "Report",
    "Target",
    "TargetInvalid",
    "held_in",
    "keys_in",
    "of_copy",
    "of_home",
    "verify_database",
    "verify_export",
]
