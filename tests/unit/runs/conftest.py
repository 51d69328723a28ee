"""A ledger on a real database, a clock that stands still, and the runs that were kept in it."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger, RefusalRecorder
from app.authority.ledger.tiles import StoredTiles
from app.database import open_engine
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger

Runs = Callable[[], list[dict[str, Any]]]


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
    return new_ledger(engine, clock)


@pytest.fixture
def recorder(ledger: Ledger, clock: FixedClock) -> RefusalRecorder:
    return RefusalRecorder(ledger, clock)


@pytest.fixture
def runs(ledger: Ledger) -> Runs:
    """The run of every event that names one, by its bytes, which have that SHA-256."""

    def kept() -> list[dict[str, Any]]:
        found = []
        for event in ledger.events(limit=1_000):
            digest = str(event.data.get("run", ""))
            if len(digest) == 64:
                content = StoredTiles(ledger.readers).blob(digest)
                assert content is not None
                assert hashlib.sha256(content).hexdigest() == digest
                found.append(orjson.loads(content))
        return found

    return kept
