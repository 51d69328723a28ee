"""A ledger on a real, freshly migrated database, with a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.auditing.proofs import Proofs
from app.authority.ledger import Ledger
from app.authority.ledger.cosignatures import StoredCosignatures
from app.database import open_engine
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.growing import Grow, grow_to
from tests.fakes.home import Home, new_home
from tests.fakes.ledger import new_ledger
from tests.fakes.openings import filled
from tests.fakes.witness import Witness


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_database(tmp_path)


@pytest.fixture
def engine(path: Path) -> Iterator[Engine]:
    opened = open_engine(path)
    yield opened
    opened.dispose()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def ledger(engine: Engine, clock: FixedClock) -> Ledger:
    return new_ledger(engine, clock, boot_id="boot-1")


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def now_s(clock: FixedClock) -> int:
    return clock.utc_us() // 1_000_000


@pytest.fixture
def read() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def proofs(
    ledger: Ledger,
    engine: Engine,
    clock: FixedClock,
    witness: Witness,
    read: list[tuple[str, str]],
) -> Proofs:
    return Proofs(
        ledger=ledger,
        cosignatures=StoredCosignatures(engine),
        keys=lambda: ledger.keeping.signer.keys,
        witnesses=(witness.key,),
        clock=clock,
        note_read=lambda actor, what: read.append((actor.id, what)),
    )


@pytest.fixture
def grow(ledger: Ledger) -> Grow:
    return lambda size: grow_to(ledger, size)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = new_home(tmp_path / "home")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def grown_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """304 events, stopped. For tests that take a copy."""
    made = new_home(tmp_path_factory.mktemp("grown") / "home")
    filled(made, 300)
    made.stop()
    return made


@pytest.fixture
def large(grown_home: Home, tmp_path: Path) -> Home:
    return grown_home.copy(tmp_path / "large")
