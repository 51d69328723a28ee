"""A store and a trash per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.removal import Attic, new_attic


@pytest.fixture
def attic(tmp_path: Path) -> Iterator[Attic]:
    made = new_attic(tmp_path / "home")
    yield made
    made.close()
