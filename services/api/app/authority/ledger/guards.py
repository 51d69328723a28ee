"""The only place that knows what the database's own guards look like, and looks.

Each object that keeps the ledger and the keys append-only is compared with the SHA-256 of the SQL
that made it; one that is missing, altered or added is named.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text

EXPECTED: Final[Mapping[str, Mapping[str, str]]] = {
    "ledger_event": {
        "ledger_event": ("ec9478ba09b07891a48d24700b20f4f7683ae6b2589b7087749f911f53eb5a47"),
        "ledger_event_new_id": ("d5c0802e100ae37f7b6a337ea4afe1e120a391b9c2fdefd6dfb9234dffa5769d"),
        "ledger_event_next_only": (
            "8f5ca26b6e32cc0e43d8c1dde98ca75816adb0fc095cf65c479bc8f881032e46"
        ),
        "ledger_event_no_delete": (
            "1158b2e40f36b8f91de55f2870f4d077492813e7dfd7bdb80ccd916503c253af"
        ),
        "ledger_event_no_update": (
            "2d9be4df49b81884d7171bebdbd3ba4d89a0e0456c129da3322b657aa1da7fd1"
        ),
    },
    "ledger_index": {
        "ledger_index": ("5b62cff857fc6a32a84b18408bde29406963e4a193eb7bcc9d7f6cd7a8e74767"),
        "ledger_index_actor": ("da5306919c420c9120878308f38bb9b729a1e2ab72a7e4f7c855a5c4442be7ce"),
        "ledger_index_intent": ("9886695d8d0b230e727200b8e892d69209750816f9b41dbdd657217123008150"),
        "ledger_index_kind": ("a972fca36ef0ebd5e50369c46fe1e24192cdab5f39abeeb5650e34b9c4d4b7ce"),
        "ledger_index_outcome": (
            "faf200a6b98ff4c5052e92248a8b3202e3ff7faeca3b40cfff95da7a58c02ee7"
        ),
        "ledger_index_subject": (
            "204ad044db50bfd10563e2f2e7238a8d32a8b2d381f9e65641c7232a90705f10"
        ),
    },
    "access_key": {
        "access_key": ("0fe12a7192ba5e542ebff96d884fa228bea4e378f4831e96a19dec24c3b10e30"),
        "access_key_new_only": ("0eb62e8d7c1bff7c33de6a25d76003aac4cd427cad76fece2815c88a5639f925"),
        "access_key_no_delete": (
            "6f98404e01c28dc191bb6b2ae399fb0cb827f9198aa501111030b8570c286831"
        ),
        "access_key_revoke_only": (
            "c2885d5ef47eb30759f97d925c0dd9aaeb64eee1579853004774e9fbcc6f69fa"
        ),
    },
}

_OBJECTS: Final = text(
    "SELECT name, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL"
)


def broken_guards(connection: Connection, tables: Iterable[str] = tuple(EXPECTED)) -> list[str]:
    """Return a sentence for every guard that is not what the migrations made; empty is good."""
    return [line for table in tables for line in _compare(table, _found(connection, table))]


def _compare(table: str, found: Mapping[str, str]) -> list[str]:
    expected = EXPECTED[table]
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    added = [f"{name} was added" for name in sorted(found.keys() - expected.keys())]
    altered = [
        f"{name} was altered"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    return missing + altered + added


def _found(connection: Connection, table: str) -> dict[str, str]:
    rows = connection.execute(_OBJECTS, {"table": table})
    return {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in rows}


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """Return device and inode of the database's file, None where it is gone.

    A deleted or swapped file stays writable through the connections that have it open, and what is
    written to it is lost: the ledger compares this at every append.
    """
    try:
        found = Path(engine.url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
