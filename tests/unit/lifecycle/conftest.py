"""A house per test, closed at its end."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.fakes.database import connections_closed
from tests.fakes.lifecycle import House, build_house


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = build_house(tmp_path)
    yield built
    for engine in built.host.started:
        engine.release()
    await built.serving.close()
