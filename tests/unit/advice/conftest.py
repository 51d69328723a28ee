"""A desk for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.advice import Desk, open_desk
from tests.fakes.advised import Advised, open_advised
from tests.fakes.database import connections_closed


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = open_desk(tmp_path / "home")
    yield made
    made.close()


@pytest.fixture
async def advised(tmp_path: Path) -> AsyncIterator[Advised]:
    made = open_advised(tmp_path / "home")
    yield made
    await made.close()
