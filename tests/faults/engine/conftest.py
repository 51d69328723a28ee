"""A tiny model and a host of real workers for fault tests."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.domain.engine import LoadSpec
from app.engines.supervisor import WorkerHost
from tests.models import tiny_model


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> LoadSpec:
    directory = tiny_model(tmp_path_factory.mktemp("model"), context=2048)
    return LoadSpec("tests/tiny", "0" * 64, directory, 2048, 4, 4 * 2**30)


@pytest_asyncio.fixture
async def host() -> AsyncIterator[WorkerHost]:
    host = WorkerHost()
    yield host
    await host.close()
