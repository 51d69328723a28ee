"""Real ledgers, small ones, and the exports over them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.auditing.exports import Exports
from app.authority.ledger import Ledger
from app.authority.ledger.tiles import StoredTiles
from app.database import open_engine
from app.domain.actors import Actor, Role
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger

AUDITOR = Actor("key:a", "auditor", frozenset({Role.AUDITOR}))
CLIENT = Actor("key:c", "client", frozenset({Role.CLIENT}))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(fresh_database(tmp_path))
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def ledger(engine: Engine, clock: FixedClock) -> Iterator[Ledger]:
    opened = new_ledger(engine, clock)
    yield opened
    opened.close()


@pytest.fixture
def reads() -> list[str]:
    return []


@pytest.fixture
def exports(engine: Engine, ledger: Ledger, reads: list[str]) -> Exports:
    def note(_actor: Actor, what: str) -> None:
        reads.append(what)

    return Exports(
        ledger=ledger,
        tiles=StoredTiles(engine),
        keys=lambda: ledger.keeping.signer.keys,
        witnesses=(),
        note_read=note,
    )


Filled = Callable[[int], list[bytes]]


@pytest.fixture
def filled(engine: Engine, ledger: Ledger) -> Filled:
    """Append so many events in one group; returns every body there is."""
    from concurrent.futures import ThreadPoolExecutor

    from tests.fakes.events import boot

    def fill(count: int) -> list[bytes]:
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: ledger.append(boot()), range(count)))
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT body FROM ledger_event ORDER BY seq")
            return [row[0] for row in found]

    return fill
