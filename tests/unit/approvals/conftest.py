"""An office for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.asks import Office, open_office
from tests.fakes.database import connections_closed


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path / "home")
    yield made
    made.close()
