"""One server for all tests that only ask it something."""

from collections.abc import Iterator

import pytest

from tests.e2e.server import RunningServer, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("e2e") / "home") as running:
        yield running
