"""The only place that fills the ledger's index: from the stored bodies, never from anything else.

The index is derived. It may be behind the log (`catch_up`) or be made anew (`rebuild`), and the
same bodies always give the same rows.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Final, NamedTuple, get_args

import orjson
from sqlalchemy import Engine

from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.writing import one_writer, reading_directly, transaction_directly
from app.evidence.indexing import COLUMNS, IndexRow, index_row

CHUNK: Final = 2_000
"""Events per write transaction of a rebuild: about a twentieth of a second."""

Writing = Callable[[], AbstractContextManager[sqlite3.Connection]]
"""Opens one write transaction on the driver's connection, as `writing.writing_directly` does."""

_NAMES: Final = ", ".join(COLUMNS)
_INSERT: Final = f"INSERT INTO ledger_index ({_NAMES}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_ROWS: Final = f"SELECT {_NAMES} FROM ledger_index WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608
_BODIES: Final = "SELECT seq, body FROM ledger_event WHERE seq > ? AND seq <= ? ORDER BY seq"
_INDEXED: Final = "SELECT COALESCE(MAX(seq), 0) FROM ledger_index"
_SIZE: Final = "SELECT COALESCE(MAX(seq), 0) FROM ledger_event"
_DELETE: Final = "DELETE FROM ledger_index WHERE seq = ?"
_OUTSIDE: Final = "DELETE FROM ledger_index WHERE seq < 1 OR seq > ?"
_EMPTY: Final = "DELETE FROM ledger_index"
"""Without a condition it throws whole trees away, and reads nothing that may be damaged."""
_SOUND: Final = "PRAGMA integrity_check('ledger_index')"
_LARGEST: Final = 2**63 - 1
_TYPES: Final = [get_args(hint) or (hint,) for hint in IndexRow.__annotations__.values()]


def insert_rows(connection: sqlite3.Connection, rows: Iterable[IndexRow]) -> None:
    """Add rows inside the caller's transaction."""
    connection.executemany(_INSERT, rows)


def fill(connection: sqlite3.Connection, rows: Sequence[IndexRow]) -> None:
    """Add rows that were made with their events; what they do not cover comes from the bodies."""
    if rows and rows[0].seq == _one(connection, _INDEXED) + 1:
        insert_rows(connection, rows)
    catch_up(connection)


def catch_up(connection: sqlite3.Connection) -> None:
    """Index the events past the last indexed one, inside the caller's write transaction."""
    indexed, size = _one(connection, _INDEXED), _one(connection, _SIZE)
    insert_rows(connection, _derived(connection, indexed, size))


class Rebuilt(NamedTuple):
    """How many events there are, and how many rows were altered, missing or added."""

    size: int
    changed: int


def rebuild(writing: Writing) -> Rebuilt:
    """Compare every row with its event's body, and write those that are not as it says.

    One short transaction a chunk, so that appends go on meanwhile and the index is never empty.
    Events that are appended meanwhile are indexed too. Run it again after a crash: it is the same.
    """
    changed = done = 0
    begun: int | None = None
    while True:
        with writing() as connection:
            size = _one(connection, _SIZE)
            begun = size if begun is None else begun
            last = min(size, done + CHUNK)
            changed += _remake(connection, done, last, begun)
            if last == size:
                changed += connection.execute(_OUTSIDE, (size,)).rowcount
                return Rebuilt(size, changed)
        done = last


def rebuild_of(engine: Engine) -> Rebuilt:
    """As `rebuild`, queueing with every other writer for each step.

    Rows may be right while the trees that find them are not: then the index is emptied first, and
    every row written; questions have fewer answers until that is done.
    """

    @contextmanager
    def turn() -> Iterator[sqlite3.Connection]:
        with one_writer(engine), transaction_directly(engine) as connection:
            yield connection

    try:
        if _sound(engine):
            return rebuild(turn)
        with turn() as connection:
            _begin_again(connection)
        size, _ = rebuild(turn)
        return Rebuilt(size, size)
    except sqlite3.Error as error:
        raise audit_unavailable(error) from error


def _sound(engine: Engine) -> bool:
    """Whether the table is whole and every row is found by each of its indexes. Appends go on."""
    with reading_directly(engine) as connection:
        try:
            return connection.execute(_SOUND).fetchall() == [("ok",)]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            return False


def _begin_again(connection: sqlite3.Connection) -> None:
    """Keep the newest row only: whoever catches up meanwhile then adds what is newer, not all."""
    connection.execute(_EMPTY)
    size = _one(connection, _SIZE)
    insert_rows(connection, _derived(connection, max(0, size - 1), size))


def _remake(connection: sqlite3.Connection, done: int, last: int, begun: int) -> int:
    """Put right the rows past `done` up to `last`; return in how many places they differed.

    What was appended after the rebuild had begun may not be indexed yet, and is nobody's fault.
    """
    found = {row[0]: row for row in connection.execute(_ROWS, (done + 1, last))}
    wrong = [row for row in _derived(connection, done, last) if found.pop(row.seq, None) != row]
    connection.executemany(_DELETE, [(seq,) for seq in (*found, *(row.seq for row in wrong))])
    insert_rows(connection, wrong)
    return len(found) + sum(row.seq <= begun for row in wrong)  # what is left there is of no event


def _derived(connection: sqlite3.Connection, done: int, last: int) -> Iterator[IndexRow]:
    """Read in steps: a cursor that stays open while its table's index is written costs a copy."""
    for start in range(done, last, CHUNK):
        bodies = connection.execute(_BODIES, (start, min(last, start + CHUNK))).fetchall()
        yield from filter(None, (_row(seq, body) for seq, body in bodies))


def _row(seq: int, body: bytes) -> IndexRow | None:
    """None for a body that was damaged past reading: verification names it, the index goes on."""
    try:
        row = index_row(orjson.loads(body))
        return row if row.seq == seq and _storable(row) else None
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _storable(row: IndexRow) -> bool:
    numbers = (row.ts_utc_us, row.intent_seq or 0)
    return _typed(tuple(map(type, row))) and all(abs(number) <= _LARGEST for number in numbers)


@lru_cache
def _typed(types: tuple[type, ...]) -> bool:
    """Whether the columns take values of these types; rows have few different ones."""
    return all(one in allowed for one, allowed in zip(types, _TYPES, strict=True))


def _one(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found
