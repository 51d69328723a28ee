"""A model that people pinned is kept in memory once it is there, until they unpin it."""

from dataclasses import replace

import pytest

from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.refusals import ModelTooLarge
from tests.fakes.lifecycle import House, operator, use


async def test_a_pinned_model_is_loaded_pinned_and_makes_no_room(house: House) -> None:
    house.room_for(1)
    pinned = replace(house.models[0], pinned=True)
    await use(house, pinned)
    assert house.serving.residency.of(pinned.id).pinned
    (intent,) = house.events("load_intent")
    assert intent.data["pinned"] is True
    with pytest.raises(ModelTooLarge):
        await use(house, house.models[1])
    assert house.serving.residency.state(pinned.id) is State.READY


async def test_a_model_that_is_unpinned_makes_room_and_one_that_is_pinned_later_does_not(
    house: House,
) -> None:
    house.room_for(1)
    first, second, _ = house.models
    change = operator(Permission.MODEL_CHANGE, first)
    await use(house, first)
    house.serving.keep(change, first.id, pinned=True)
    with pytest.raises(ModelTooLarge):
        await use(house, second)
    house.serving.keep(change, first.id, pinned=False)
    await use(house, second)
    assert house.serving.residency.state(first.id) is State.ABSENT


async def test_pinning_a_model_that_is_not_in_memory_holds_nothing(house: House) -> None:
    model = house.models[0]
    house.serving.keep(operator(Permission.MODEL_CHANGE, model), model.id, pinned=True)
    assert not house.serving.residency.of(model.id).pinned
    with pytest.raises(TypeError):
        house.serving.keep(operator(Permission.MODEL_LOAD, model), model.id, pinned=True)
