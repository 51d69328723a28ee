"""The only place that turns a database's failure into a sentence that says what to do."""

import sqlite3
from collections.abc import Mapping
from typing import Final

from app.domain.refusals import AuditUnavailable

_WHAT_TO_DO: Final[Mapping[int, str]] = {
    sqlite3.SQLITE_FULL: "The disk is full. Free some space on the volume of LMX_HOME",
    sqlite3.SQLITE_READONLY: "The database is read-only. Make LMX_HOME and lmx.db writable",
    sqlite3.SQLITE_IOERR: "The disk reports errors. Check the volume of LMX_HOME",
    sqlite3.SQLITE_CANTOPEN: "The database cannot be opened. Check that LMX_HOME is there",
    sqlite3.SQLITE_BUSY: "Another program holds the database. Close whatever else has lmx.db open",
    sqlite3.SQLITE_LOCKED: "The database is locked. Close whatever else has lmx.db open",
    sqlite3.SQLITE_PROTOCOL: "The database's locks fail. Check the volume of LMX_HOME, which must "
    "not be a network's, and restart the server",
    sqlite3.SQLITE_CORRUPT: "The database is damaged. Stop the server and restore a backup",
    sqlite3.SQLITE_NOTADB: "The database is damaged. Stop the server and restore a backup",
    sqlite3.SQLITE_AUTH: "A statement was refused that would have weakened the ledger",
    sqlite3.SQLITE_CONSTRAINT: "The ledger's guards refused an event. Restart the server",
}
DISK_FULL: Final = (
    "The disk is full: what is left is kept for refusals and for the last record. Free some space "
    "on the volume of LMX_HOME, then try again. Until then nothing else that must be recorded is "
    "done."
)
_FULL: Final = frozenset({"SQLITE_FULL", "ENOSPC", "EDQUOT"})
_OTHERWISE: Final = "The database failed. The server's log says how"


def audit_unavailable(error: Exception) -> AuditUnavailable:
    """Return the refusal for a failed write: what is wrong, and that nothing is done meanwhile."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    return AuditUnavailable(
        f"The ledger is not available: {_WHAT_TO_DO.get(code, _OTHERWISE)}, then try again. "
        "Until then nothing that must be recorded is done.",
        details={"reason": getattr(cause, "sqlite_errorname", type(error).__name__)},
    )


def of_a_full_disk(error: Exception) -> bool:
    """Whether room would cure it: SQLite's own report, or a refusal that names the cause."""
    if isinstance(error, AuditUnavailable):
        return error.details.get("reason") in _FULL
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
