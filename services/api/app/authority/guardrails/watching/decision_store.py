"""The only place that keeps decisions of guardrails: added, numbered, read, never changed.

A decision is durable before anybody goes by it. A row holds the record, packed, and its SHA-256,
which ledger events name; whoever reads a row checks the one against the other.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from app.authority.guardrails.watching.packing import packed, unpacked
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.writing import asking_directly, writing

CHUNK: Final = 500
"""Rows that are read at once."""

_COLUMNS: Final = "seq, at_us, point, subject, actor, outcome, digest, record"
_INSERT: Final = (
    f"INSERT INTO guardrails_decision ({_COLUMNS})"  # noqa: S608
    " SELECT COALESCE(MAX(seq), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM guardrails_decision RETURNING seq"
)
_ROWS: Final = f"SELECT {_COLUMNS} FROM guardrails_decision"  # noqa: S608
_DIGESTS: Final = "SELECT seq, at_us, digest FROM guardrails_decision WHERE seq > ? ORDER BY seq"
_FOUND: Final = (
    f"{_ROWS} WHERE seq IN (SELECT MIN(seq) FROM guardrails_decision"  # noqa: S608
    " WHERE digest >= ? AND digest < ? GROUP BY digest) ORDER BY digest LIMIT 2"
)
_AFTER: Final = f"{_ROWS} WHERE seq > ? AND at_us >= ? AND at_us < ? ORDER BY seq LIMIT ?"
_FIRST: Final = "SELECT COALESCE(MIN(seq), 0) FROM guardrails_decision WHERE at_us >= ?"
_LAST: Final = "SELECT COALESCE(MAX(seq), 0) FROM guardrails_decision"
_LARGEST: Final = 2**63 - 1


class Decided(NamedTuple):
    """One decision before it has a number. `digest` is the SHA-256 of `record`."""

    at_us: int
    point: str
    subject: str
    actor: str
    outcome: str
    digest: str
    record: bytes


class Kept(NamedTuple):
    """One row."""

    seq: int
    at_us: int
    point: str
    subject: str
    actor: str
    outcome: str
    digest: str
    record: bytes

    @property
    def intact(self) -> bool:
        """Whether the record is the one that its digest names."""
        return hashlib.sha256(self.record).hexdigest() == self.digest

    @property
    def body(self) -> dict[str, Any]:
        """The record as plain values. Raises ValueError for bytes that are none."""
        body: dict[str, Any] = orjson.loads(self.record)
        return body


class DecisionStore:
    """Every method may be called from any thread, and raises AuditUnavailable."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, decided: Decided) -> int:
        """Keep a decision durably; its number."""
        try:
            row = (*decided[:-1], packed(decided.record))
            with writing(self._engine) as connection:
                return int(connection.exec_driver_sql(_INSERT, row).scalar_one())
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error

    def find(self, beginning: str) -> list[Kept]:
        """Decisions whose digest begins like this, two at most; of equal ones the oldest."""
        return self._rows(_FOUND, (beginning, f"{beginning}g"))

    def page(
        self,
        *,
        task: str | None = None,
        point: str | None = None,
        outcome: str | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[Kept]:
        """The newest first, older than number `before`. `task`: decisions that asked this one."""
        asked: dict[str, object] = {"point = ?": point, "outcome = ?": outcome}
        given = {sql: value for sql, value in asked.items() if value is not None}
        where = " AND ".join(["seq < ?", *given])
        query = f"{_ROWS} WHERE {where} ORDER BY seq DESC LIMIT ?"
        found: list[Kept] = []
        last, chunk = before or _LARGEST, limit if task is None else max(limit, CHUNK)
        while len(found) < limit:
            rows = self._rows(query, (last, *given.values(), chunk))
            found += [row for row in rows if task is None or _asked(row, task)]
            if len(rows) < chunk:
                break
            last = rows[-1].seq
        return found[:limit]

    def each(
        self,
        *,
        since_us: int = 0,
        until_us: int = _LARGEST,
        limit: int | None = None,
        newest: int | None = None,
    ) -> Iterator[Kept]:
        """Every decision of a time, the oldest first; no connection is held between chunks.

        `newest`: of the newest so many that there are.
        """
        left = _LARGEST if limit is None else limit
        first = self._first(since_us)
        if newest is not None:
            first = first and max(first, self._last() - newest + 1)
        after = first - 1
        while first and left > 0:
            rows = self._rows(_AFTER, (after, since_us, until_us, min(CHUNK, left)))
            yield from rows
            if len(rows) < CHUNK:
                return
            after, left = rows[-1].seq, left - len(rows)

    def digests(self, after: int, until_us: int, now_us: int) -> tuple[int, list[str]]:
        """By number, those past `after` up to the first of the hour that runs: last one, digests.

        A row from the future (the clock was set back) belongs to the hours that ended.
        """
        last, found = after, []
        with asking_directly(self._engine) as connection:
            for seq, at_us, digest in connection.execute(_DIGESTS, (after,)):
                if until_us <= at_us <= now_us:
                    break
                last = seq
                found.append(digest)
        return last, found

    def count(self, since_us: int) -> int:
        """How many decisions there were from a time on."""
        first = self._first(since_us)
        return self._last() - first + 1 if first else 0

    def _last(self) -> int:
        with asking_directly(self._engine) as connection:
            found: int = connection.execute(_LAST).fetchone()[0]
            return found

    def _first(self, since_us: int) -> int:
        with asking_directly(self._engine) as connection:
            found: int = connection.execute(_FIRST, (since_us,)).fetchone()[0]
            return found

    def _rows(self, query: str, values: tuple[object, ...]) -> list[Kept]:
        with asking_directly(self._engine) as connection:
            rows = connection.execute(query, values).fetchall()
        return [Kept._make((*row[:-1], unpacked(row[-1]))) for row in rows]


def _asked(kept: Kept, task: str) -> bool:
    """Whether the task's condition was asked, as the record says."""
    if _row_of(task) not in kept.record:
        return False  # most of them, and reading each takes longer
    try:
        body = kept.body
        return any(row[0] == task for row in (*body["verdicts"], *body["errors"]))
    except (ValueError, LookupError, TypeError):
        return False


def _row_of(task: str) -> bytes:
    """How a verdict on a task begins in a record; other lists may begin so too."""
    return b'["%s",' % task.encode()
