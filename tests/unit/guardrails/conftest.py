"""Guardrails as they are adopted from the shipped files, on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.database import connections_closed
from tests.fakes.guardrails import House, guarded_house


@pytest.fixture
def guards(tmp_path: Path) -> Iterator[House]:
    with connections_closed(), guarded_house(tmp_path / "home") as house:
        yield house
