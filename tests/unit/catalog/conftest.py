"""A catalog on a real database and a real store, and who may import into it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog import Catalog, ImportProgress, KnownModels
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import Program
from app.authority.ledger import Ledger
from app.authority.permissions import Grant, Permission, grant
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.domain.models import CatalogModel
from tests.fakes.caches import hub_cache
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger
from tests.model_files import good_model

OPERATOR = Actor("key:00000000", "operator", frozenset({Role.OPERATOR}))

Import = Callable[..., CatalogModel]
Adopt = Callable[..., CatalogModel]
HF, STUDIO = Program.HUGGING_FACE, Program.LM_STUDIO


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


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


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    """The repository's folder in a cache of one model."""
    return hub_cache(tmp_path / "hub", good_model(tmp_path / "made"))


@pytest.fixture
def adopting(catalog: Catalog, ledger: Ledger, tmp_path: Path) -> Adopting:
    roots = {HF: (tmp_path / "hub",), STUDIO: (tmp_path / "studio", tmp_path / "old-studio")}
    return Adopting(catalog, ledger, FixedClock(), roots)


@pytest.fixture
def adopt(adopting: Adopting) -> Adopt:
    def adopted(
        program: Program,
        what: str | Path,
        name: str | None = None,
        progress: Callable[[ImportProgress], None] = lambda _: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> CatalogModel:
        may = grant(OPERATOR, Permission.MODEL_ADOPT)
        return adopting.adopt(
            may, program, str(what), name=name, progress=progress, cancelled=cancelled
        )

    return adopted


def files_in(store: Path) -> list[str]:
    """Every file and view in the store, relative to it."""
    found = [p for p in store.rglob("*") if p.is_file() or p.parent.name == "models"]
    return sorted(p.relative_to(store).as_posix() for p in found)
