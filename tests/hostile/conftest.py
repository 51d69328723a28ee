"""Hostile advisors share a world; whatever one of them tried, it must hold after each."""

from collections.abc import Iterator

import pytest

from tests.hostile.world import World, world


@pytest.fixture(scope="module")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def around(shared_world: World) -> Iterator[World]:
    yield shared_world
    shared_world.hold()
