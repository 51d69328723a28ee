"""One good export a session, and a copy of it for every test that spoils one."""

from pathlib import Path

import pytest

from tests.verify_export.exported import copy, usual


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good export, for reading only."""
    return usual(tmp_path_factory.mktemp("made") / "export")


@pytest.fixture
def export(made: Path, tmp_path: Path) -> Path:
    return copy(made, tmp_path / "export")
