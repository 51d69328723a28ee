"""The child that writes: the real ledger, bare SQLite, or the disk alone, each in its own process.

`python -m bench.ledger_writer SIDE DIRECTORY`, asked `{"count": N, "callers": N}`, answers with the
milliseconds each write took and the seconds of all. The ledger is whole: the product's database,
clock, signer, sink, and the timer that settles it. Asked `{"finish": true}` it is closed and must
verify, or the child fails.
"""

import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from pathlib import Path

from bench.child import Json, answer_questions

ROW_BYTES = 600
SLOT_BYTES = 4096
SETTLE_S = 0.25
"""As often as the server's timer does."""

Write = Callable[[], object]


def main() -> None:
    side, directory = sys.argv[1], Path(sys.argv[2])
    directory.mkdir(mode=0o700, parents=True)
    with ExitStack() as stack:
        write = stack.enter_context(SIDES[side](directory))

        def answer(asked: Json) -> Json:
            if asked.get("finish"):
                stack.close()
                return {"finished": True}
            return timed(write, asked["count"], asked.get("callers", 1))

        answer_questions(answer)


def timed(write: Write, count: int, callers: int) -> Json:
    """Have `callers` threads do `count` writes together, all starting at one moment."""
    milliseconds: list[float] = []
    barrier = threading.Barrier(callers + 1)
    failures: list[Exception] = []

    def caller(times: int) -> None:
        taken = []
        barrier.wait()
        try:
            for _ in range(times):
                started = time.perf_counter()
                write()
                taken.append((time.perf_counter() - started) * 1000)
        except Exception as error:  # noqa: BLE001 - raised again below, on the thread that asked
            failures.append(error)
        milliseconds.extend(taken)

    shares = [count // callers + (place < count % callers) for place in range(callers)]
    threads = [threading.Thread(target=caller, args=(share,)) for share in shares]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - started
    if failures:
        raise failures[0]
    return {"milliseconds": milliseconds, "seconds": seconds}


@contextmanager
def _ledger(directory: Path) -> Iterator[Write]:
    from app.authority.ledger.opening import open_ledger, record_opening
    from app.authority.ledger.sinks import Sinks, own_sink
    from app.clock import SystemClock
    from app.database import migrate, open_engine
    from app.evidence.verification import of_home, verify_database
    from bench.ledger_data import single_events

    migrate(directory / "lmx.db")
    engine = open_engine(directory / "lmx.db")
    kept = directory / "ledger"
    kept.mkdir(mode=0o700)
    opened = open_ledger(
        engine,
        SystemClock(),
        boot_id="00000000-0000-0000-0000-000000000000",
        directory=kept,
        sinks=lambda _: Sinks([own_sink(kept)]),
    )
    record_opening(opened)
    events = cycle(single_events(1_000))
    ended = threading.Event()

    def write() -> object:
        return opened.ledger.append(next(events))  # `cycle` gives one at a time to any thread

    def settle() -> None:
        while not ended.wait(SETTLE_S):
            opened.ledger.settle()

    timer = threading.Thread(target=settle, daemon=True)
    timer.start()
    try:
        yield write
    finally:
        ended.set()
        timer.join()
        opened.ledger.close()
        engine.dispose()
    report = verify_database(of_home(directory), progress=lambda _done, _size: None)
    if not report.holds:
        raise RuntimeError(f"the ledger does not verify: {report.verdict}")


@contextmanager
def _raw(directory: Path) -> Iterator[Write]:
    """One row a commit, in a table that has nothing but a key and the bytes."""
    connection = sqlite3.connect(
        directory / "raw.db", isolation_level=None, check_same_thread=False
    )
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "fullfsync = ON"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute("CREATE TABLE event (seq INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    body = os.urandom(ROW_BYTES)

    def write() -> object:
        return connection.execute("INSERT INTO event (body) VALUES (?)", (body,))

    yield write
    connection.close()


@contextmanager
def _overwritten(directory: Path) -> Iterator[Write]:
    """4 KiB at a place that is there already, as the signer's memory is."""
    yield from _file(directory, os.O_RDWR, lambda file, turn: _at(file, turn % 2 * SLOT_BYTES))


@contextmanager
def _appended(directory: Path) -> Iterator[Write]:
    """600 bytes behind what is there, as a sink grows."""
    row = os.urandom(ROW_BYTES)
    yield from _file(directory, os.O_WRONLY | os.O_APPEND, lambda file, _: os.write(file, row))


def _at(file: int, place: int) -> int:
    return os.pwrite(file, _SLOT, place)


def _file(directory: Path, flags: int, put: Callable[[int, int], int]) -> Iterator[Write]:
    from app.authority.ledger.sinks.file import sync_data

    path = directory / "file"
    path.write_bytes(bytes(2 * SLOT_BYTES))
    os.sync()
    file = os.open(path, flags)
    turns = cycle(range(2))

    def write() -> object:
        put(file, next(turns))
        return sync_data(file)

    yield write
    os.close(file)


_SLOT = os.urandom(SLOT_BYTES)
SIDES = {"ledger": _ledger, "raw": _raw, "overwrite": _overwritten, "append": _appended}


if __name__ == "__main__":
    main()
