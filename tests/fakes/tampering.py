"""A real ledger's files, written once per process, and ways to change what guards should keep."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from app.authority.ledger import Kind, LedgerEvent
from app.database import open_engine
from app.domain.actors import SYSTEM, Actor, Role
from app.evidence.verification import Report, of_home, verify_database
from tests.fakes.database import fresh_database
from tests.fakes.ledger import opened_ledger

_SOMEBODY = Actor("key:0badcafe", "name", frozenset({Role.CLIENT}), "person-1")
SETTLED_EVERY = 100


def ledger_home(directory: Path, events: int = 300) -> Path:
    """A home whose server has stopped: `events` events, a checkpoint row every hundred."""
    for name, content in _files(events).items():
        path = directory / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o600)
    return directory


@cache
def _files(events: int) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        engine = open_engine(fresh_database(home))
        ledger = opened_ledger(engine).ledger
        for number in range(1, events + 1):
            ledger.append(_event(number))
            if number % SETTLED_EVERY == 0:
                ledger.settle()
        ledger.close()
        engine.dispose()
        with closing(sqlite3.connect(home / "lmx.db")) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return {
            str(path.relative_to(home)): path.read_bytes()
            for path in sorted(home.rglob("*"))
            if path.is_file() and not path.name.endswith(("-wal", "-shm"))
        }


def _event(number: int) -> LedgerEvent:
    if number == 7:
        return LedgerEvent(
            Kind.SHUTDOWN, SYSTEM, "boot-1", data={"reason": "asked"}, evidence=(b"proof",)
        )
    message = 'a "quoted" word\nand a line' if number % 5 == 0 else f"because of {number}"
    data = {"code": "forbidden", "message": message, "permission": "model.load"}
    return LedgerEvent(
        Kind.REFUSAL, _SOMEBODY, f"publisher/model-{number % 3}", "refused", data, None, "request"
    )


@contextmanager
def unguarded(home: Path) -> Iterator[sqlite3.Connection]:
    """A connection without triggers; they are put back, to the letter, when it closes."""
    with closing(sqlite3.connect(home / "lmx.db", isolation_level=None)) as connection:
        triggers = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, sql in triggers:
            connection.execute(sql)


def flipped(content: bytes, bit: int) -> bytes:
    """`content` with one bit changed, counted from its first."""
    at = bit // 8 % len(content)
    return content[:at] + bytes([content[at] ^ (1 << bit % 8)]) + content[at + 1 :]


def flip_bit(connection: sqlite3.Connection, table: str, column: str, where: str, bit: int) -> None:
    """Change one bit of a value; a text's stays ASCII, so that it still is text."""
    query = f"SELECT {column} FROM {table} WHERE {where}"
    (value,) = connection.execute(query).fetchone()
    if isinstance(value, int):
        changed: object = value ^ (1 << bit % 16)
    elif isinstance(value, str):
        text = value.encode()
        at = bit // 8 % len(text)
        changed = (
            text[:at] + (b"x" if text[at : at + 1] != b"x" else b"y") + text[at + 1 :]
        ).decode(errors="replace")
    else:
        changed = flipped(value, bit)
    connection.execute(f"UPDATE {table} SET {column} = ? WHERE {where}", (changed,))


def verified(home: Path) -> Report:
    return verify_database(of_home(home))


def said(report: Report) -> str:
    return "\n".join(f"{found.part}: {found.sentence}" for found in report.findings)
