"""An office that was opened once, and copies of it for whatever ends badly."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.asks import Office, open_office
from tests.fakes.database import connections_closed
from tests.fakes.offices import Begun, begun_office


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture(scope="session")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Begun:
    return begun_office(tmp_path_factory.mktemp("begun") / "home")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path / "home")
    yield made
    made.close()
