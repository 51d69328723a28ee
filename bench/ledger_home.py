"""Makes a state directory whose server has run for months: a ledger of any size, for measuring.

The directory is begun as a first start begins it, with its keys, its signer and its genesis event.
The events that follow go through the writer's own code (`appending.append`) in groups of up to
`GROUP`, each with its commit's tag and its signed checkpoint in the sink, and once at the end
through the real signer. Only what costs most is left out while they are written: syncing, reading
back, and indexes that are made after the rows. `lmx ledger verify` must hold on what comes out.
"""

import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any, BinaryIO, Final, cast
from unittest import mock

import orjson

from app.authority.ledger.appending import append
from app.authority.ledger.events import Draft, LedgerEvent, Stamp
from app.authority.ledger.index import insert_rows
from app.authority.ledger.opening import ORIGIN
from app.authority.ledger.signing import Signer
from app.authority.ledger.signing.keys import SigningKey
from app.authority.ledger.tree import stored_tree
from app.domain.actors import SYSTEM
from app.evidence.checkpoints import Checkpoint, signed
from app.evidence.indexing import IndexRow, index_row
from app.evidence.merkle import Frontier
from app.evidence.sink_lines import checkpoint_line, event_line
from app.evidence.vocabulary import Kind
from app.home import prepare_home
from app.settings import Settings
from app.wiring.opening import open_authority
from bench.ledger_data import CHUNK, EVERY_US, Body, bodies
from bench.servers import quiet_home

GROUP: Final = 16
"""Events of one commit, at most: half of it on average."""
STORED_EVERY: Final = 16
"""Of so many checkpoints one is in the database too; the sink has each."""
BYTES_AN_EVENT: Final = 2_500
"""What to keep free for each event, generously: database, its log, the sink."""

_FAST: Final = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -200000", "threads = 2")
"""For as long as the past is made up: if it ends halfway, all of it is thrown away."""
_INDEXES: Final = (
    "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'ledger_index' AND type = 'index'"
    " AND sql IS NOT NULL"
)
_NO_EVENT: Final = LedgerEvent(Kind.SHUTDOWN, SYSTEM)

Chunk = tuple[list[Body], list[IndexRow]]


class NoRoom(RuntimeError):
    """The volume has too little space for the ledger that is to be made."""


@dataclass(frozen=True, slots=True)
class Made:
    """Where it lies, its number of events, and how many bytes it took."""

    home: Path
    size: int
    database_bytes: int
    sink_bytes: int
    seconds: float


def make_home(home: Path, *, events: int, seed: int = 0, runs: bool = False) -> Made:
    """Make the directory `home` with a ledger of `events` events; raises NoRoom.

    With `runs` most of them end an attempt and name its run, whose bytes are not made up.
    """
    started = time.perf_counter()
    need = events * BYTES_AN_EVENT
    if (free := shutil.disk_usage(home.parent).free) < need:
        raise NoRoom(
            f"{home.parent} has {free / 1e9:.1f} GB free and {need / 1e9:.1f} are needed. Free "
            "some, or set TMPDIR to a directory on a larger volume."
        )
    start_us = time.time_ns() // 1000 - (events + 1) * EVERY_US
    quiet_home(home)
    prepare_home(home)
    _first_start(home, start_us)
    size = _go_on(home, events, start_us, seed, runs=runs)
    os.sync()  # what is measured next does not pay for writing this
    sizes = ((home / name).stat().st_size for name in ("lmx.db", "ledger/events.jsonl"))
    return Made(home, size, *sizes, time.perf_counter() - started)


def _first_start(home: Path, start_us: int) -> None:
    """Let the server's own code begin the ledger, at the time the past begins."""

    class Then:
        def utc_us(self) -> int:
            return start_us

        def monotonic(self) -> float:
            return time.monotonic()

    with mock.patch("app.wiring.opening.SystemClock", Then):
        authority = open_authority(Settings.model_validate({}), home=home, version="bench")
    authority.usage.close()
    authority.refusals.close()
    authority.ledger.close()
    authority.database.dispose()


def _go_on(home: Path, events: int, start_us: int, seed: int, *, runs: bool) -> int:
    directory = home / "ledger"
    key, signer = _signing(directory)
    connection = sqlite3.connect(home / "lmx.db", isolation_level=None)
    with closing(connection), (directory / "events.jsonl").open("ab", buffering=1 << 20) as sink:
        for pragma in _FAST:
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("BEGIN IMMEDIATE")
        indexes = connection.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        head = stored_tree(connection, signer.size)
        writer = _Bulk(connection, sink, key, signer, head)
        for made, rows in _chunks(head.size + 1, events, start_us, seed, runs=runs):
            writer.write(made)
            insert_rows(connection, rows)
        writer.finish()
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
    signer.close()
    return signer.size


class _Bulk:
    """Appends in groups; what the writer does after each commit is done here without the disk."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        sink: BinaryIO,
        key: SigningKey,
        signer: Signer,
        head: Frontier,
    ) -> None:
        self._connection, self._sink = connection, sink
        self._key, self._signer = key, signer
        self._head = head
        self._leaves: list[bytes] = []
        self._chance = random.Random(0)
        self._commits = 0

    def write(self, made: Sequence[Body]) -> None:
        source = iter(made)
        while group := list(islice(source, self._chance.randint(1, GROUP))):
            self._sink.write(self._checkpoint())
            self._group(group)

    def finish(self) -> None:
        """Have the real signer remember all of it, and its note be the last one everywhere."""
        note = self._signer.sign(self._leaves)
        root = self._head.root()
        if (self._signer.size, self._signer.root) != (self._head.size, root):
            raise RuntimeError("the signer has another tree than was written")
        self._sink.write(checkpoint_line(str(note)))
        self._store(str(note), root)

    def _group(self, group: list[Body]) -> None:
        ids = iter([id_ for id_, _ in group])
        drafts = cast("list[Draft]", [_Ready(body) for _, body in group])
        written = append(
            self._connection, drafts, self._head, self._signer, lambda seq: _stamp(seq, next(ids))
        )
        self._head = written.tree
        self._leaves += [receipt.leaf for receipt in written.receipts]
        self._sink.write(b"".join(event_line(body) for _, body in group))

    def _checkpoint(self) -> bytes:
        """The sink's line over what is there, so behind every group but the last, which is next."""
        if not self._leaves:
            return b""
        root = self._head.root()
        head = Checkpoint(self._signer.origin, self._head.size, root)
        note = str(signed(head, (self._key.vkey, self._key.sign)))
        self._commits += 1
        if self._commits % STORED_EVERY == 0:
            self._store(note, root)
        return checkpoint_line(note)

    def _store(self, note: str, root: bytes) -> None:
        self._connection.execute(
            "INSERT INTO ledger_checkpoint VALUES (?, ?, ?)", (self._head.size, root, note)
        )


class _Ready:
    """A draft whose body is there already: another process made it."""

    __slots__ = ("_body",)
    event = _NO_EVENT

    def __init__(self, body: bytes) -> None:
        self._body = body

    def fields(self, _stamp: Stamp) -> dict[str, Any]:
        fields: dict[str, Any] = orjson.loads(self._body)
        return fields


def _stamp(seq: int, event_id: str) -> Stamp:
    return Stamp(seq, event_id, 0, 0, "")


def _signing(directory: Path) -> tuple[SigningKey, Signer]:
    origin = (directory / "keys").read_text().partition("+")[0]
    if not origin.startswith(ORIGIN):
        raise RuntimeError(f"{origin} is no ledger's name")
    signer = Signer.open(directory, origin=origin, may_create=False)
    return SigningKey.read(directory / "signing.key", origin), signer


def _chunks(first: int, last: int, start_us: int, seed: int, *, runs: bool) -> Iterator[Chunk]:
    """Make the events `first` to `last` in processes of their own, in order."""
    starts = range(first, last + 1, CHUNK)
    # A chunk is a boot and a stop at least: a rest of one event is left out.
    tasks = [(at, min(CHUNK, last + 1 - at), start_us, seed, runs) for at in starts if at < last]
    processes = os.cpu_count() or 1
    under_way: deque[AsyncResult[Chunk]] = deque()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for task in tasks:
            under_way.append(pool.apply_async(_chunk, (task,)))
            if len(under_way) > 2 * processes:  # what is made ahead is held in memory here
                yield under_way.popleft().get()
        while under_way:
            yield under_way.popleft().get()


def _chunk(task: tuple[int, int, int, int, bool]) -> Chunk:
    first, count, start_us, seed, runs = task
    made = bodies(first, count, start_us=start_us, seed=seed, runs=runs)
    return made, [index_row(json.loads(body)) for _, body in made]
