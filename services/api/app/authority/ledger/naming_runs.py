"""The only place that finds a run by what a person calls it: its digest or the beginning of it."""

import sqlite3
from typing import Final

from app.authority.ledger.filters import DIGEST_LENGTH, NAMED_RUN

_LIKE: Final = (
    "SELECT DISTINCT run FROM ledger_index INDEXED BY ledger_index_run "  # noqa: S608
    f"WHERE run >= ? AND run < ? AND length(run) = {DIGEST_LENGTH} AND {NAMED_RUN} LIMIT ?"
)
_AFTER_EVERY_DIGIT: Final = "g"


def runs_beginning(connection: sqlite3.Connection, prefix: str, *, most: int) -> list[str]:
    """Digests of runs that begin with `prefix` (lower-case hex), at most `most` of them."""
    found = connection.execute(_LIKE, (prefix, prefix + _AFTER_EVERY_DIGIT, most))
    return [digest for (digest,) in found]
