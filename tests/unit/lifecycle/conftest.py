"""A house per test, closed at its end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.lifecycle import House, build_house


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = build_house(tmp_path)
    yield built
    for engine in built.host.started:
        engine.release()
    await built.serving.close()
