"""Guardrails as they are adopted from the shipped files, on a real database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.guarding import Guarding
from app.domain.actors import Actor
from tests.fakes.database import connections_closed
from tests.fakes.guardrails import House, guarded_house


@pytest.fixture
def guards(tmp_path: Path) -> Iterator[House]:
    with connections_closed(), guarded_house(tmp_path / "home") as house:
        yield house


@pytest.fixture
def cases(guards: House) -> Guarding:
    return guards.use_cases()


@pytest.fixture
def owner(guards: House) -> Actor:
    return guards.office.owner
