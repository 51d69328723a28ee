"""A directory with a ledger in it: started and ended as the server does, attacked, verified."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.authority.ledger import Ledger, LedgerEvent, genesis_event
from app.authority.ledger.opening import Opened, record_opening
from app.authority.ledger.reserve import Reserve
from app.authority.ports import Clock
from app.database import open_engine
from app.evidence.verification import of_home, verify_database
from tests.fakes import events
from tests.fakes.database import foreign_connection, fresh_database
from tests.fakes.ledger import opened_ledger


@dataclass
class Home:
    """`start` opens its ledger; whatever is still open is closed by `stop`, or left by `leave`."""

    path: Path
    reserve: Reserve | None = None
    _open: list[tuple[Ledger, Engine]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.path / "lmx.db"

    @property
    def ledger(self) -> Path:
        return self.path / "ledger"

    @property
    def kept(self) -> Ledger:
        """The ledger that was opened last."""
        return self._open[-1][0]

    @property
    def sink(self) -> Path:
        return self.ledger / "events.jsonl"

    def open(self, boot_id: str = "boot-1", clock: Clock | None = None) -> Opened:
        """Open the ledger; nothing of its own is recorded yet."""
        engine = open_engine(self.database)
        try:
            opened = opened_ledger(engine, clock, boot_id, reserve=self.reserve)
        except BaseException:
            engine.dispose()
            raise
        self._open.append((opened.ledger, engine))
        return opened

    def start(self, boot_id: str = "boot-1", clock: Clock | None = None) -> Ledger:
        """Open the ledger and record what a start records."""
        opened = self.open(boot_id, clock)
        ledger = opened.ledger
        if ledger.size() == 0:
            ledger.append(genesis(opened.install_id))
        record_opening(opened)
        ledger.append(events.boot(boot_id))
        return ledger

    def stop(self) -> None:
        for ledger, engine in self._open:
            ledger.close()
            engine.dispose()
        self._open.clear()

    def copy(self, to: Path, *, without: tuple[str, ...] = ()) -> "Home":
        """What a crash at this moment would leave, or a backup: the files as they are."""
        shutil.copytree(self.path, to, ignore=lambda _, names: {n for n in names if n in without})
        (to / "ledger").chmod(0o700)
        return Home(to)

    def files(self) -> dict[str, bytes]:
        """The bytes of everything that lasts; SQLite's shared memory does not."""
        found = (path for path in self.path.rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in found
            if not path.name.endswith("-shm") and path.stat().st_size
        }

    def size(self) -> int:
        with sqlite3.connect(self.database) as connection:
            count: int = connection.execute("SELECT count(*) FROM ledger_event").fetchone()[0]
        connection.close()
        return count

    @contextmanager
    def tampered(self) -> Iterator[sqlite3.Connection]:
        """Another program's connection without any guard; the guards are put back at the end."""
        connection = foreign_connection(self.database)
        guards = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("BEGIN")
        yield connection
        connection.execute("COMMIT")
        for _, sql in guards:
            connection.execute(sql)
        connection.close()

    def findings(self) -> list[Any]:
        """What an offline verification finds wrong; empty is good."""
        report = verify_database(of_home(self.path), processes=1)
        assert report.covered == report.size or report.count
        return list(report.findings)


def new_home(path: Path) -> Home:
    path.mkdir(mode=0o700, exist_ok=True)
    fresh_database(path)
    return Home(path)


def genesis(install_id: str) -> LedgerEvent:
    return genesis_event(
        install_id=install_id,
        person="p-1",
        commitment="c" * 64,
        operator_key_id="key:0badcafe",
        rules_digest="r",
        schema_version="0003",
        version="0",
    )
