"""The only place that opens the database and brings its schema up to date.

Stores are handed an `Engine`; this module and they alone know that it is SQLite. Connections made
here are durable (WAL, synchronous FULL, fullfsync on macOS) and carry an authorizer: past the
triggers, they cannot change the schema, rewrite the ledger or weaken durability at all.
"""

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from app.domain.refusals import StartRefused
from app.domain.revisions import REVISIONS

APPEND_ONLY: Final = frozenset(
    {
        "ledger_event",
        "ledger_node",
        "ledger_commit",
        "ledger_checkpoint",
        "ledger_cosignature",
        "ledger_blob",
        "person",
        "key_person",
        "approval",
        "execution_claim",
        "approval_profile",
        "guardrails_version",
        "guardrails_activation",
        "guardrails_definition",
        "guardrails_binding",
        "guardrails_decision",
    }
)
"""Tables that no connection of this program may update or delete from, triggers or not."""

_LAST_EVENTS: Final = "SELECT body FROM ledger_event ORDER BY seq DESC LIMIT 10000"
_LONGEST_VERSION: Final = 40

BUSY_TIMEOUT_MS: Final = 5_000
_ROOT: Final = Path(__file__).resolve().parents[3]

_DURABLE: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # F_FULLFSYNC on macOS; means nothing elsewhere
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA secure_delete = ON",  # erased names and kept texts are overwritten, of any length
    f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}",
)
_READ_ONLY: Final = ("PRAGMA query_only = ON", f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")

_ALLOWED_ACTIONS: Final = frozenset(
    {
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_TRANSACTION,
        sqlite3.SQLITE_SAVEPOINT,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_PRAGMA,
    }
)
_SETTABLE_PRAGMAS: Final = frozenset(
    {"wal_checkpoint", "integrity_check", "quick_check", "table_info", "table_xinfo", "optimize"}
)


def open_engine(path: Path, *, read_only: bool = False) -> Engine:
    """Return the engine for the database at `path`; `migrate` comes first."""
    if read_only:
        return _engine(_read_only_url(path), _READ_ONLY, authorizer=_authorize)
    _make_private(path)
    return _engine(URL.create("sqlite", database=str(path)), _DURABLE, authorizer=_authorize)


def migrate(path: Path) -> None:
    """Bring the database at `path` to this release's schema, or refuse to start.

    Alembic is imported only when there is something to do: it costs a server that is already up to
    date neither time nor memory.
    """
    _make_private(path)
    found = current_revision(path)
    if found == REVISIONS[-1]:
        return
    if found is not None and found not in REVISIONS:
        raise newer(path, found)
    try:
        upgrade(path, REVISIONS[-1])
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StartRefused(
            f"{path} could not be brought to schema {REVISIONS[-1]}: {_reason(error)}. "
            "Nothing was changed. Free some disk space or restore a backup, then start again."
        ) from error


def upgrade(path: Path, revision: str, *, down: bool = False) -> None:
    """Run the migrations up (or down) to `revision`, each in one transaction with its number."""
    from alembic import command
    from alembic.config import Config

    config = Config(str(_ROOT / "alembic.ini"))
    config.set_main_option("script_location", str(_ROOT / "migrations"))
    engine = _engine(URL.create("sqlite", database=str(path)), _DURABLE, authorizer=None)
    try:
        with engine.connect().execution_options(sqlite_begin="IMMEDIATE") as connection:
            config.attributes["connection"] = connection
            run = command.downgrade if down else command.upgrade
            run(config, revision)
    finally:
        engine.dispose()


def current_revision(path: Path) -> str | None:
    """Return the schema revision of the database at `path`; None for an empty or missing one."""
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(_uri(path), uri=True)
        try:
            rows = connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
            ).fetchall()
            if not rows:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            return None if row is None else str(row[0])
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StartRefused(
            f"{path} cannot be read as LMX's database: {error}. "
            "Restore it from a backup, or start with another LMX_HOME."
        ) from error


def newer(path: Path, found: str) -> StartRefused:
    """The refusal for a database of a schema that this release does not know."""
    release = _release_of(path)
    return StartRefused(
        f"{path} was written by a newer release ({release}schema {found}; this one knows up to "
        f"{REVISIONS[-1]}). Nothing was changed: a schema is never taken back, it would lose what "
        "the newer one recorded. Start that release, or restore a backup made before it: "
        "lmx backup restore DIR",
        details={"schema": found, "known": REVISIONS[-1]},
    )


def settle(path: Path) -> bool:
    """Move everything from the write-ahead log into the database's file and close it.

    False where another program that has it open is in the way. Raises sqlite3.Error.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy
    finally:
        connection.close()


def _release_of(path: Path) -> str:
    """ "0.2.0, " where the newest start that its ledger knows says so, else nothing."""
    try:
        connection = sqlite3.connect(_uri(path), uri=True)
        try:
            for (body,) in connection.execute(_LAST_EVENTS):
                event = json.loads(body)
                if event["kind"] == "boot":
                    return f"{str(event['data']['version'])[:_LONGEST_VERSION]}, "
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError):
        return ""
    return ""


def _engine(url: URL, pragmas: tuple[str, ...], *, authorizer: Callable[..., int] | None) -> Engine:
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
        if authorizer is not None:
            connection.set_authorizer(authorizer)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if mode == "IMMEDIATE" else "BEGIN")

    return engine


def _authorize(action: int, first: Any, second: Any, _database: Any, _source: Any) -> int:
    """Decide on one action of one statement; asked by SQLite when it compiles the statement."""
    if action not in _ALLOWED_ACTIONS:
        return sqlite3.SQLITE_DENY  # every CREATE, DROP, ALTER, ATTACH, DETACH, REINDEX, ANALYZE
    if action in (sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE) and _is_guarded(first):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_INSERT and str(first).startswith("sqlite_"):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and second is not None and first not in _SETTABLE_PRAGMAS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _is_guarded(table: object) -> bool:
    return table in APPEND_ONLY or str(table).startswith("sqlite_") or table == "alembic_version"


def _make_private(path: Path) -> None:
    """Make sure the file is there and nobody else reads it; SQLite's -wal and -shm follow."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StartRefused(
            f"The database {path} cannot be opened for writing: {error.strerror}. "
            "Check that the directory exists, is yours and is on a writable volume."
        ) from error


def _uri(path: Path) -> str:
    """For reading: with nothing beside it, SQLite is to make nothing there either."""
    logs = [path.with_name(path.name + suffix) for suffix in ("-wal", "-journal")]
    alone = "" if any(log.exists() for log in logs) else "&immutable=1"
    return f"file:{quote(str(path.absolute()))}?mode=ro{alone}"


def _read_only_url(path: Path) -> URL:
    database = f"file:{quote(str(path.absolute()))}"
    return URL.create("sqlite", database=database, query={"mode": "ro", "uri": "true"})


def _reason(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
