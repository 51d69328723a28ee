"""Opens the ledger at a start: what the signer and the sinks remember must be in the database.

A database that is older than what was signed, or that tells another story, is refused here, before
anything is written to it.
"""

import sqlite3
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.keeping import Keeping
from app.authority.ledger.lifetime import signing_key_created_event
from app.authority.ledger.reserve import Reserve
from app.authority.ledger.signing import Signer, agrees
from app.authority.ledger.sinks import SinkChange, Sinks
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.tree import NodeMissing, stored_tree
from app.authority.ledger.watching import changed
from app.authority.ledger.writing import reading_directly
from app.authority.ports import Clock
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence.notes import NoteInvalid, VerifierKey
from app.evidence.vocabulary import Kind

ORIGIN: Final = "lmx-authority/"
"""What the log's name, its origin, begins with; the installation's id follows."""
KEYS: Final = "keys"

_FIRST: Final = "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq = 1"
_SIZE: Final = "SELECT COALESCE(MAX(seq), 0) FROM ledger_event"
# Every commit leaves a tag, and every signer's first event names its key: with both gone it takes
# more than one deletion to pass for a log that was never signed. The scan is for such logs only.
_SIGNED: Final = (
    "SELECT EXISTS (SELECT 1 FROM ledger_commit) OR EXISTS"
    " (SELECT 1 FROM ledger_event WHERE instr(body, ?) > 0)"
)
_NAMES_A_KEY: Final = f'"kind":"{Kind.SIGNING_KEY_CREATED}"'.encode()


@dataclass(frozen=True, slots=True)
class Opened:
    """The ledger, and what its opening found that is to be recorded after the genesis event.

    `sink_changes` is empty where there is one already: then they are recorded.
    """

    ledger: Ledger
    install_id: str
    new_key: bool
    sink_changes: tuple[SinkChange, ...]
    adopted: int
    """Events that an earlier run committed and had not signed when it ended."""
    last_us: int
    """When the last event was recorded that was there, by the clock of then; 0: there was none."""


def open_ledger(
    engine: Engine,
    clock: Clock,
    *,
    boot_id: str,
    directory: Path,
    sinks: Callable[[str], Sinks],
    reserve: Reserve | None = None,
    versions: Mapping[str, str] | None = None,
) -> Opened:
    """Open or begin the ledger whose keys and memory lie in `directory`; `sinks` by install id.

    `versions` are what its runs say took part.
    Raises StartRefused with what is wrong and what to do.
    """
    try:
        return _opened(
            engine, clock, boot_id, directory, sinks=sinks, reserve=reserve, versions=versions
        )
    except AuditUnavailable as refusal:
        raise StartRefused(refusal.message, details=refusal.details) from refusal
    except (sqlite3.Error, SQLAlchemyError) as error:
        known = audit_unavailable(error)
        raise StartRefused(known.message, details=known.details) from error


def _opened(
    engine: Engine,
    clock: Clock,
    boot_id: str,
    directory: Path,
    *,
    sinks: Callable[[str], Sinks],
    reserve: Reserve | None,
    versions: Mapping[str, str] | None,
) -> Opened:
    size, signed_before, genesis = _found(engine)
    install_id = genesis.subject if genesis else _begun(directory) or str(uuid.uuid4())
    signer = Signer.open(directory, origin=ORIGIN + install_id, may_create=not signed_before)
    root_at = _roots(engine)
    if signer.size:
        agrees(signer, size, root_at)
    kept = sinks(install_id)
    changes = kept.open(size=size, root_at=root_at, keys=signer.keys)
    adopted = size - signer.size
    if reserve is not None:
        reserve.restore()
    ledger = Ledger(engine, clock, boot_id, Keeping(signer, kept, reserve), versions=versions)
    ledger.check_guards()
    last_us = ledger.latest_us()
    if genesis:
        # Recorded before a copy that began anew is filled: a start that ends in between leaves
        # either the record, or a copy that is found missing again.
        _record(ledger, changes)
        changes = []
    ledger.seal()
    _settle_rotation(ledger, signer)
    new_key = not ledger.events(kind=Kind.SIGNING_KEY_CREATED, limit=1)
    return Opened(ledger, install_id, new_key, tuple(changes), adopted, last_us)


def record_opening(opened: Opened) -> None:
    """Append what opening could not record before the genesis event: a new key, new sinks."""
    if opened.new_key:
        key = str(opened.ledger.keeping.signer.key)
        opened.ledger.append(signing_key_created_event(key=key))
    _record(opened.ledger, opened.sink_changes)


def _record(ledger: Ledger, changes: Iterable[SinkChange]) -> None:
    for change in changes:
        ledger.append(changed(change))


def _settle_rotation(ledger: Ledger, signer: Signer) -> None:
    """A rotation that was cut off: it happened if, and only if, the ledger says so."""
    if signer.pending is None:
        return
    said = ledger.events(kind=Kind.SIGNING_KEY_ROTATED, limit=1, newest_first=True)
    if said and said[0].data.get("new") == str(signer.pending):
        ledger.finish_rotation()
    else:
        signer.cancel_rotation()


def _found(engine: Engine) -> tuple[int, bool, StoredEvent | None]:
    """The number of events, whether a signer has seen any, and the genesis event."""
    with reading_directly(engine) as connection:
        size: int = connection.execute(_SIZE).fetchone()[0]
        signed = bool(connection.execute(_SIGNED, (_NAMES_A_KEY,)).fetchone()[0])
        first = connection.execute(_FIRST).fetchone()
    genesis = StoredEvent(*first) if first else None
    return size, signed, genesis if genesis and genesis.kind == Kind.GENESIS else None


def _begun(directory: Path) -> str | None:
    """The installation whose keys were made by a first start that ended before its first event."""
    keys = directory / KEYS
    if not keys.is_file():
        return None
    try:
        first = keys.read_text("utf-8").partition("\n")[0]
        return VerifierKey.parse(first).name.removeprefix(ORIGIN)
    except (NoteInvalid, UnicodeError, OSError):
        return None  # the signer says what is wrong with it


def _roots(engine: Engine) -> Callable[[int], bytes]:
    """The root at a size, for whoever remembers one; a sink asks on a thread of its own."""

    def root_at(size: int) -> bytes:
        try:
            with reading_directly(engine) as connection:
                return stored_tree(connection, size).root()
        except NodeMissing as error:
            raise StartRefused(
                f"The ledger's tree in lmx.db is damaged: {error}. Keep a copy of LMX_HOME as "
                "evidence, look at it with `lmx ledger verify`, and restore a backup."
            ) from error

    return root_at
