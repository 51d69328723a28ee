"""A catalog on a real database and a real store, and who may import into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog import Catalog, ImportProgress, KnownModels
from app.authority.ledger import Ledger
from app.authority.permissions import Grant, Permission, grant
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.domain.models import CatalogModel
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger

OPERATOR = Actor("key:00000000", "operator", frozenset({Role.OPERATOR}))

Import = Callable[..., CatalogModel]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    fresh_database(tmp_path)
    opened = open_engine(tmp_path / "lmx.db")
    yield opened
    opened.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return new_ledger(engine, FixedClock(), "boot-1")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def known() -> KnownModels:
    return KnownModels(())


@pytest.fixture
def catalog(ledger: Ledger, engine: Engine, store: Path, known: KnownModels) -> Catalog:
    return Catalog(ledger, engine, clock=FixedClock(), store_dir=store, known=known)


@pytest.fixture
def may() -> Grant:
    return grant(OPERATOR, Permission.MODEL_IMPORT)


@pytest.fixture
def take(catalog: Catalog, may: Grant) -> Import:
    """Import without being told of progress."""

    def taken(
        directory: Path,
        name: str | None = None,
        progress: Callable[[ImportProgress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> CatalogModel:
        return catalog.import_directory(may, directory, name, progress, cancelled)

    return taken


def files_in(store: Path) -> list[str]:
    """Every file and view in the store, relative to it."""
    found = [p for p in store.rglob("*") if p.is_file() or p.parent.name == "models"]
    return sorted(p.relative_to(store).as_posix() for p in found)
