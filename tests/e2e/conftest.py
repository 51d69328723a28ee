"""Servers that many tests share, and what must hold of them after each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import TINY, still_answers
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """As a newcomer has it, with the starter model."""
    with running_server(tmp_path_factory.mktemp("e2e") / "home") as running:
        yield running


@pytest.fixture(scope="session")
def tiny_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny", context=8192)


@pytest.fixture(scope="session")
def tiny_server(
    tmp_path_factory: pytest.TempPathFactory, tiny_directory: Path
) -> Iterator[RunningServer]:
    """With a random-weight model, imported as any other, that never ends by itself."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    with running_server(home, default_context=8192) as running:
        running.import_model(tiny_directory, TINY)
        yield running


@pytest.fixture
def tiny(tiny_server: RunningServer) -> Iterator[RunningServer]:
    """The session's server; whatever the test does to it, it must answer afterwards."""
    yield tiny_server
    still_answers(tiny_server)
