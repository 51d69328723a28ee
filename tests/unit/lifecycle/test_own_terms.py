"""A model with terms of its own is loaded and counted on them, and idles as long as they say."""

from dataclasses import replace

import pytest

from app.authority.execution import Execution
from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.refusals import ModelBusy, QueueFull
from app.domain.terms import NEVER, OwnTerms
from tests.fakes.lifecycle import LIMITS, OPERATOR, House, jit, operator, use
from tests.unit.lifecycle.test_described_models import reading_of


async def test_a_load_on_demand_takes_the_models_own_terms(house: House) -> None:
    own, other, _ = house.models
    house.own[own.id] = OwnTerms(context=64, slots=1)
    await use(house, own)
    await use(house, other)
    intents = {e.subject: (e.data["context"], e.data["slots"]) for e in house.events("load_intent")}
    assert intents == {own.id: (64, 1), other.id: (LIMITS.default_context, LIMITS.slots)}


async def test_a_load_that_is_asked_for_takes_them_where_it_says_nothing(house: House) -> None:
    model = house.models[0]
    house.own[model.id] = OwnTerms(context=64, slots=1)
    held = await house.serving.load(operator(Permission.MODEL_LOAD, model), model, None)
    assert held.terms == Terms(context=64, slots=1)


async def test_an_operator_says_one_term_and_gets_the_models_own_for_the_other(
    house: House,
) -> None:
    model = house.models[0]
    house.own[model.id] = OwnTerms(context=64, slots=1)
    execution = Execution(house.catalog, house.serving)
    loaded = await execution.load(OPERATOR, model.id, context=None, slots=2, pinned=False)
    assert (loaded["context"], loaded["slots"]) == (64, 2)


async def test_terms_that_are_set_while_it_is_loaded_hold_from_the_next_load_on(
    house: House,
) -> None:
    model = house.models[0]
    may = operator(Permission.MODEL_LOAD, model)
    await use(house, model)
    house.own[model.id] = OwnTerms(context=64)
    await use(house, model)
    assert house.serving.residency.of(model.id).terms == Terms(LIMITS.default_context, LIMITS.slots)
    with pytest.raises(ModelBusy, match="Unload it first"):
        await house.serving.load(may, model, None)
    await house.serving.unload(operator(Permission.MODEL_UNLOAD, model), model.id)
    await use(house, model)
    assert house.serving.residency.of(model.id).terms == Terms(64, LIMITS.slots)


async def test_own_slots_bound_the_queue_of_a_model_that_is_not_loaded(house: House) -> None:
    model = house.models[0]
    at_once = LIMITS.slots + LIMITS.queue_limit
    house.own[model.id] = OwnTerms(slots=1)
    with pytest.raises(QueueFull):
        async with house.serving.lease(jit(model), model, sequences=at_once):
            pass
    house.own.clear()
    async with house.serving.lease(jit(model), model, sequences=at_once):
        pass


@pytest.mark.parametrize(
    ("idle_s", "after_s", "state"),
    [
        (NEVER, 1_000_000, State.READY),
        (600, 599, State.READY),
        (600, 600, State.ABSENT),
        (10, 11, State.ABSENT),
        (None, 61, State.ABSENT),
    ],
)
async def test_a_model_idles_as_long_as_is_set_for_it_at_once(
    house: House, idle_s: int | None, after_s: int, state: State
) -> None:
    model, other, _ = house.models
    await use(house, model)
    await use(house, other)
    house.own[model.id] = OwnTerms(idle_s=idle_s)
    house.clock.advance(after_s)
    await house.serving.idling.unload(ttl_s=60)
    assert house.serving.residency.state(model.id) is state
    ended = house.serving.residency.state(other.id) is State.ABSENT
    assert ended is (after_s >= 60)


async def test_own_idle_time_holds_where_the_settings_never_unload(house: House) -> None:
    model, other, _ = house.models
    await use(house, model)
    await use(house, other)
    house.own[model.id] = OwnTerms(idle_s=5)
    house.clock.advance(6)
    await house.serving.idling.unload(ttl_s=0)
    assert house.serving.residency.state(model.id) is State.ABSENT
    assert house.serving.residency.state(other.id) is State.READY


async def test_a_model_that_never_idles_out_still_makes_room(house: House) -> None:
    house.room_for(1)
    first, second, _ = house.models
    house.own[first.id] = OwnTerms(idle_s=NEVER)
    await use(house, first)
    await use(house, second)
    assert house.serving.residency.state(first.id) is State.ABSENT


async def test_the_verdict_before_a_load_is_on_the_terms_that_it_would_have(house: House) -> None:
    model = house.models[0]
    reading = replace(reading_of(house), probe=house.memory)

    async def need(context: int | None = None, slots: int | None = None) -> int:
        told = await reading.fit(OPERATOR, model=model.id, path=None, context=context, slots=slots)
        total: int = told["need"]["total_bytes"]
        return total

    usual, small = await need(), await need(64, 1)
    assert small < usual
    house.own[model.id] = OwnTerms(context=64, slots=1)
    assert await need() == small
    assert await need(LIMITS.default_context, LIMITS.slots) == usual
    await use(house, model)
    (intent,) = house.events("load_intent")
    assert intent.data["feasibility"]["need"]["total_bytes"] == small


async def test_a_model_tells_what_is_set_what_holds_and_its_chains(house: House) -> None:
    model, other, _ = house.models
    house.own[model.id] = OwnTerms(context=64, idle_s=NEVER)
    aliases = {"x": (other.id, model.id), "y": (model.id,), "z": (other.id,)}
    told = await reading_of(house, aliases).model(OPERATOR, model.id)
    assert told["terms"] == {"context": 64, "slots": None, "idle_s": 0}
    assert told["usual"] == {"context": 64, "slots": LIMITS.slots, "idle_s": 0}
    assert told["chains"] == {"x": [other.id, model.id]}
    assert told["aliases"] == ["x", "y"]
