"""No connection outlives its test."""

from collections.abc import Iterator

import pytest

from tests.fakes.database import connections_closed


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield
