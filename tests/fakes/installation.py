"""An installation after its first start, with the saved reports over its real ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.authority.auditing.reporting import Reports
from app.authority.keys import Keys, People
from app.authority.ledger import Ledger, RefusalRecorder
from app.authority.ledger.reads import ReadRecorder
from app.authority.permissions import Access
from app.database import open_engine
from app.domain.actors import Actor
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger
from tests.fakes.warrants import create_key, revoke_key
from tests.unit.keys.conftest import begin

Json = dict[str, Any]


@dataclass
class Installed:
    """Its parts, and who started it."""

    engine: Engine
    clock: FixedClock
    ledger: Ledger
    keys: Keys
    people: People
    refusals: RefusalRecorder
    reports: Reports
    operator: Actor

    @property
    def path(self) -> Path:
        return Path(str(self.engine.url.database))

    def key_of(self, *roles: str, by: Actor | None = None, name: str = "x") -> Actor:
        made = create_key(self.keys, by or self.operator, name, roles)
        return self.keys.identify(made.secret)

    def revoke(self, actor: Actor) -> str:
        key = actor.id.removeprefix("key:")
        revoke_key(self.keys, self.operator, key)
        return key

    async def read(self, name: str, subject: str | None = None, **asked: Any) -> Json:
        return await self.reports.report(self.operator, name, subject=subject, **asked)

    async def whole(self, name: str, subject: str | None = None, **asked: Any) -> Json:
        """A report with the rows of all its pages."""
        first = answer = await self.read(name, subject, **asked)
        rows = list(answer["rows"])
        while answer["next"] is not None:
            more = {**asked, "after": answer["next"], "through": first["meta"]["size"]}
            answer = await self.read(name, subject, **more)
            rows += answer["rows"]
        return {**first, "rows": rows}


@contextmanager
def installation(directory: Path) -> Iterator[Installed]:
    """Begin one in an empty directory, as a first start does."""
    with connections_closed():
        engine = open_engine(fresh_database(directory))
        clock = FixedClock()
        ledger = new_ledger(engine, clock)
        keys = Keys(ledger, engine, clock)
        secret = begin(keys, ledger, directory).path.read_text().strip()
        reads = ReadRecorder(ledger, clock)
        yield Installed(
            engine,
            clock,
            ledger,
            keys,
            People(ledger, engine, clock),
            RefusalRecorder(ledger, clock),
            Reports(ledger, reads.note, keys, clock, Access()),
            keys.identify(secret),
        )
        engine.dispose()
