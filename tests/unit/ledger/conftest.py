"""A ledger on a real, freshly migrated database, with a clock that stands still."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger
from app.database import open_engine
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger


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
