"""Whether the upgraded copy still says all that the database said: looked at, never mended."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from app.backups.snapshot import damage_in, looking, root_at
from app.database import APPEND_ONLY
from app.domain.revisions import REVISIONS
from app.evidence.guarded_schema import EXPECTED, OBJECTS_SQL, differences
from app.evidence.verification.memory import Head

_TABLES: Final = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
_EVENTS: Final = "SELECT seq, event_id, body, leaf FROM ledger_event ORDER BY seq"
_SEVERAL: Final = 3
_DERIVED: Final = frozenset({"ledger_index"})
"""Made anew from the events by the start that follows; a migration may empty it."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a database says that an upgrade keeps: rows by table, and a hash over its events."""

    rows: dict[str, int]
    events: str


def said_by(database: Path) -> Said:
    """Read the database once; raises sqlite3.Error."""
    with looking(database) as connection:
        tables = [name for (name,) in connection.execute(_TABLES)]
        rows = {name: _count(connection, name) for name in sorted(tables)}
        hashed = sha256()
        if "ledger_event" in rows:
            for seq, event_id, body, leaf in connection.execute(_EVENTS):
                hashed.update(f"{seq} {event_id} {len(body)} ".encode() + body + leaf)
        return Said(rows, hashed.hexdigest())


def faults(copy: Path, before: Said, signed: Head | None) -> Iterator[str]:
    """Yield what is wrong with the copy, each a sentence without its full stop; none is good.

    `signed`: what the signer remembers, None where there was no signer yet. Raises sqlite3.Error.
    """
    with looking(copy) as connection:
        if damage := damage_in(connection, thoroughly=False):
            yield f"the copy is damaged: {damage}"
            return
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        if found != (REVISIONS[-1],):
            yield f"the copy has schema {found and found[0]} instead of {REVISIONS[-1]}"
        if orphans := connection.execute("PRAGMA foreign_key_check").fetchmany(_SEVERAL):
            yield "rows refer to others that are not there, of " + ", ".join(o[0] for o in orphans)
        for table in EXPECTED:
            objects = dict(connection.execute(OBJECTS_SQL, (table,)).fetchall())
            yield from (f"a guard is wrong: {line}" for line in differences(table, objects))
        if signed and signed.size and root_at(connection, signed.size) != signed.root:
            yield f"its first {signed.size} events do not have the root that was signed"
    yield from lost(before, said_by(copy))


def lost(before: Said, after: Said) -> Iterator[str]:
    """Yield what the copy does not say any more. Pure."""
    if after.events != before.events:
        yield "the ledger's events are not those that were there"
    for table, count in before.rows.items():
        now = after.rows.get(table)
        if table in APPEND_ONLY and now != count:
            yield f"{table} has {now} rows instead of {count}"
        elif now is None:
            yield f"{table} is not there any more"
        elif count and not now and table not in _DERIVED:
            yield f"{table} is empty, and had {count} rows"


def _count(connection: Any, table: str) -> int:
    quoted = table.replace('"', '""')
    counting = f'SELECT COUNT(*) FROM "{quoted}"'  # noqa: S608 - a table of this very database
    count: int = connection.execute(counting).fetchone()[0]
    return count
