"""Memory is promised once, and only idle models make room."""

import asyncio

import pytest

from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.refusals import (
    LoadFailed,
    MemoryReadingStale,
    ModelTooLarge,
)
from tests.fakes.lifecycle import House, jit, operator, until, use


async def test_loads_that_fit_one_by_one_but_not_together_never_pass_together(
    house: House,
) -> None:
    house.room_for(1)
    house.host.loading.clear()
    loads = [asyncio.create_task(use(house, model)) for model in house.models]
    await until(lambda: len(house.events("load_intent")) == 1)
    assert len(house.serving.residency.in_state(State.LOADING)) == 3
    assert [h.promised_bytes > 0 for h in house.serving.residency.all()].count(True) == 1
    house.host.loading.set()
    ended = await asyncio.gather(*loads, return_exceptions=True)
    refused = [end for end in ended if end is not None]
    # One that comes while another still answers is told when to come back; none is let in beside.
    assert all(isinstance(end, ModelTooLarge) and end.retry_after_s for end in refused)
    assert len(refused) < len(loads)
    assert len(house.alive) == 1


async def test_a_model_that_does_not_fit_is_refused_with_the_arithmetic(house: House) -> None:
    house.room_for(0)
    with pytest.raises(ModelTooLarge) as refused:
        await use(house, house.models[0])
    details = refused.value.details
    assert details["need"]["total_bytes"] > details["budget"]["budget_bytes"]
    assert refused.value.retry_after_s is None
    assert house.events("load_intent") == []
    assert house.host.started == []


async def test_the_least_recently_used_idle_model_makes_room(house: House) -> None:
    first, second, third = house.models
    house.room_for(2)
    for model in (first, second):
        await use(house, model)
        house.clock.advance(1)
    await use(house, first)
    await use(house, third)
    assert house.serving.residency.state(second.id) is State.ABSENT
    assert house.serving.residency.state(first.id) is State.READY
    (gone,) = house.events("unload_intent")
    assert gone.subject == second.id
    assert gone.data["reason"] == f"evicted for {third.id}"


async def test_a_pinned_model_is_never_evicted(house: House) -> None:
    first, second, _ = house.models
    house.room_for(1)
    terms = Terms(context=256, slots=2, pinned=True)
    await house.serving.load(operator(Permission.MODEL_LOAD, first), first, terms)
    with pytest.raises(ModelTooLarge) as refused:
        await use(house, second)
    assert refused.value.retry_after_s is None
    assert house.serving.residency.state(first.id) is State.READY


async def test_a_busy_model_is_never_evicted_and_the_refusal_says_when_to_come_back(
    house: House,
) -> None:
    first, second, _ = house.models
    house.room_for(1)
    async with house.serving.lease(jit(first), first, sequences=1):
        with pytest.raises(ModelTooLarge) as refused:
            await use(house, second)
        assert house.serving.residency.state(first.id) is State.READY
    assert refused.value.retry_after_s is not None
    await use(house, second)


async def test_a_stale_memory_reading_is_noticed_and_not_trusted(house: House) -> None:
    house.memory.age_s = 3600
    with pytest.raises(MemoryReadingStale):
        await use(house, house.models[0])
    assert house.host.started == []


async def test_out_of_memory_at_load_evicts_the_least_recently_used_and_retries_once(
    house: House,
) -> None:
    first, second, _ = house.models
    await use(house, first)
    house.host.fail_next("no memory", out_of_memory=True)
    await use(house, second)
    assert house.serving.residency.state(first.id) is State.ABSENT
    assert [e.outcome for e in house.events("load_outcome")] == ["loaded", "failed", "loaded"]


async def test_out_of_memory_twice_is_a_failure_and_no_crash_of_the_model(house: House) -> None:
    first, second, _ = house.models
    await use(house, first)
    for _ in range(2):
        house.host.fail_next("no memory", out_of_memory=True)
    with pytest.raises(LoadFailed):
        await use(house, second)
    assert house.serving.residency.of(second.id).crashes.consecutive == 0


async def test_idle_models_are_unloaded_after_their_time_and_busy_ones_stay(house: House) -> None:
    first, second, _ = house.models
    await use(house, first)
    async with house.serving.lease(jit(second), second, sequences=1):
        house.clock.advance(61)
        await house.serving.idling.unload(ttl_s=60)
        assert house.serving.residency.state(first.id) is State.ABSENT
        assert house.serving.residency.state(second.id) is State.READY
