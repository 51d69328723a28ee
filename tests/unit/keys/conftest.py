"""Keys on a real database, begun as a first start begins them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, NewPerson, OperatorKey
from app.authority.ledger import Ledger, LedgerEvent, genesis_event
from app.authority.ledger.opening import ORIGIN
from app.database import open_engine
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger

ACCOUNT = "Grace Brewster Hopper"


def genesis_of(ledger: Ledger) -> Callable[[str, NewPerson], LedgerEvent]:
    """The first event, of the installation that the signer's keys were made for."""

    def genesis(key_id: str, person: NewPerson) -> LedgerEvent:
        return genesis_event(
            install_id=ledger.keeping.signer.origin.removeprefix(ORIGIN),
            person=person.id,
            commitment=person.commitment.hex(),
            operator_key_id=key_id,
            rules_digest="r",
            schema_version="0003",
            version="0",
        )

    return genesis


def make_read_only(engine: Engine) -> None:
    """From now on nothing can be written through this (weakened) engine."""
    raw = engine.raw_connection()
    raw.cursor().execute("PRAGMA query_only = ON").fetchall()
    raw.close()


def begin(keys: Keys, ledger: Ledger, home: Path, account: str = ACCOUNT) -> OperatorKey:
    """What every start does with the operator's key."""
    path = home / "operator.key"
    return keys.ensure_operator_key(path, account=account, genesis=genesis_of(ledger))


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
def operator(empty: Keys, ledger: Ledger, home: Path) -> OperatorKey:
    return begin(empty, ledger, home)


@pytest.fixture
def keys(empty: Keys, operator: OperatorKey) -> Keys:
    """With the operator's key."""
    return empty


@pytest.fixture
def secret(operator: OperatorKey) -> str:
    return operator.path.read_text().strip()
