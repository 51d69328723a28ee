"""Keys on a real database, begun as a first start begins them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, OperatorKey
from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.database import open_engine
from app.domain.actors import SYSTEM
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger


def genesis(key_id: str) -> LedgerEvent:
    return LedgerEvent(Kind.GENESIS, SYSTEM, "install", data={"operator_key_id": key_id})


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def home(tmp_path: Path) -> Path:
    fresh_database(tmp_path)
    return tmp_path


@pytest.fixture
def engine(home: Path) -> Iterator[Engine]:
    opened = open_engine(home / "lmx.db")
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return new_ledger(engine, FixedClock(), "boot-1")


@pytest.fixture
def empty(ledger: Ledger, engine: Engine) -> Keys:
    """No key yet."""
    return Keys(ledger, engine, FixedClock())


@pytest.fixture
def operator(empty: Keys, home: Path) -> OperatorKey:
    return empty.ensure_operator_key(home / "operator.key", genesis=genesis)


@pytest.fixture
def keys(empty: Keys, operator: OperatorKey) -> Keys:
    """With the operator's key."""
    return empty


@pytest.fixture
def secret(operator: OperatorKey) -> str:
    return operator.path.read_text().strip()
