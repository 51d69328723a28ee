"""Upgrades at a start: the copy is opened as the server would, and what was done is recorded."""

from pathlib import Path

from sqlalchemy import Connection

from app.authority.catalog import records
from app.authority.keys import rows
from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.authority.ledger.guards import broken_guards
from app.authority.ledger.tree import stored_tree
from app.authority.ledger.writing import reading_directly
from app.database import open_engine
from app.domain.actors import SYSTEM
from app.domain.refusals import StartRefused
from app.upgrading import Step, Upgraded, bring_up_to_date, forget

_SIZE = "SELECT COALESCE(MAX(seq), 0) FROM ledger_event"


def upgraded(home: Path, *, step: Step = lambda _: None) -> Upgraded | None:
    """Bring the database up to date; return the upgrade that is to be recorded, if there is one.

    Raises StartRefused; then the state is the one that was there.
    """
    return bring_up_to_date(home, trial=opens, step=step)


def opens(copy: Path) -> None:
    """Read the upgraded copy with this release's own code; raises what it meets.

    What the signer and the sinks remember is theirs to say once the copy is in its place: here it
    is the tree, the guards, the keys and the models, each of which a start cannot do without.
    """
    database = open_engine(copy, read_only=True)
    try:
        with database.connect() as connection:
            _read(connection)
        with reading_directly(database) as direct:
            size: int = direct.execute(_SIZE).fetchone()[0]
            stored_tree(direct, size)
    finally:
        database.dispose()


def _read(connection: Connection) -> None:
    if broken := broken_guards(connection):
        raise StartRefused(f"guards are not those of this release: {'; '.join(broken)}")
    for row in connection.exec_driver_sql(rows.KEYS):
        rows.held(row)
    for model in records.models(connection):
        records.manifest(connection, model.id)


def record(ledger: Ledger, done: Upgraded, home: Path) -> None:
    """Have the ledger say it, once: a start may have ended between the record and this note."""
    data = {"before": done.before, "after": done.after, "backup": done.backup}
    said = ledger.latest(Kind.SCHEMA_UPGRADED).values()
    if not any(event.data == data for event in said):
        ledger.append(LedgerEvent(Kind.SCHEMA_UPGRADED, SYSTEM, data=data))
    forget(home)
