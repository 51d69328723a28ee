"""Who gets a model into memory, and what the ledger says of it."""

import asyncio
from pathlib import Path

import pytest

from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.refusals import (
    DigestMismatch,
    LoadFailed,
    ModelBusy,
    ModelNotLoaded,
    ModelQuarantined,
    QueueFull,
)
from tests.fakes.lifecycle import OPERATOR, House, jit, operator, until, use


async def test_a_first_request_loads_and_the_ledger_has_intent_before_outcome(
    house: House,
) -> None:
    model = house.models[0]
    await use(house, model)
    assert house.serving.residency.state(model.id) is State.READY
    assert house.kinds()[-2:] == ["load_intent", "load_outcome"]
    (intent,), (outcome,) = house.events("load_intent"), house.events("load_outcome")
    assert outcome.intent_seq == intent.seq
    assert outcome.outcome == "loaded"
    assert intent.data["permission"] == "model.load_jit"


async def test_a_second_request_uses_the_same_worker(house: House) -> None:
    await use(house, house.models[0])
    await use(house, house.models[0])
    assert len(house.host.started) == 1


async def test_twenty_requests_for_one_absent_model_start_one_worker(house: House) -> None:
    await asyncio.gather(*(use(house, house.models[0]) for _ in range(20)))
    assert len(house.host.started) == 1
    assert len(house.events("load_intent")) == 1


async def test_a_load_that_nobody_waits_for_any_more_is_abandoned_and_recorded(
    house: House,
) -> None:
    model = house.models[0]
    house.host.loading.clear()
    waiting = [asyncio.create_task(use(house, model)) for _ in range(2)]
    await until(lambda: len(house.events("load_intent")) == 1)
    waiting[0].cancel()
    await asyncio.sleep(0.01)
    assert house.serving.residency.state(model.id) is State.LOADING
    waiting[1].cancel()
    await until(lambda: house.serving.residency.state(model.id) is State.ABSENT)
    (outcome,) = house.events("load_outcome")
    assert outcome.outcome == "abandoned"
    assert house.host.cancelled_starts == 1
    house.host.loading.set()
    await use(house, model)


async def test_a_failed_load_is_recorded_and_may_be_tried_again(house: House) -> None:
    model = house.models[0]
    house.host.fail_next("There is no such tensor.")
    with pytest.raises(LoadFailed, match=r"no such tensor\. Check"):
        await use(house, model)
    assert house.events("load_outcome")[0].outcome == "failed"
    assert house.serving.residency.state(model.id) is State.FAILED
    await use(house, model)


async def test_crashes_in_a_row_wait_longer_and_end_in_quarantine(house: House) -> None:
    model = house.models[0]
    held = house.serving.residency.of(model.id)
    for crash in (1, 2, 3):
        await use(house, model)
        house.alive[0].crash()
        await until(lambda n=crash: held.crashes.consecutive == n)
        await until(lambda n=crash: len(house.events("worker_exited")) == n)
        if crash == 2:
            with pytest.raises(LoadFailed) as refused:
                await use(house, model)
            assert refused.value.retry_after_s == 1
        house.clock.advance(2)
    await until(lambda: held.state is State.QUARANTINED)
    with pytest.raises(ModelQuarantined, match="lmx models verify"):
        await use(house, model)
    await until(lambda: len(house.events("model_quarantined")) == 1)
    await house.serving.release(OPERATOR, model.id)
    assert len(house.events("model_released")) == 1
    await use(house, model)


async def test_an_answer_that_ends_well_forgets_earlier_crashes(house: House) -> None:
    model = house.models[0]
    held = house.serving.residency.of(model.id)
    for _ in range(10):
        await use(house, model)
        house.serving.answered(model.id)
        house.alive[0].crash()
        await until(lambda: held.state is State.FAILED)
    assert held.crashes.consecutive == 1


async def test_the_bounded_queue_refuses_one_more_with_a_time_to_come_back(house: House) -> None:
    model = house.models[0]
    async with house.serving.lease(jit(model), model, sequences=32):
        with pytest.raises(QueueFull) as refused:
            await use(house, model)
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s >= 1
    await use(house, model)


async def test_an_unload_waits_for_running_answers_and_new_requests_load_again(
    house: House,
) -> None:
    model = house.models[0]
    may = operator(Permission.MODEL_UNLOAD, model)
    async with house.serving.lease(jit(model), model, sequences=1):
        unloading = asyncio.create_task(house.serving.unload(may, model.id))
        await until(lambda: house.serving.residency.state(model.id) is State.DRAINING)
        later = asyncio.create_task(use(house, model))
        await asyncio.sleep(0.01)
        assert not unloading.done()
        assert not later.done()
    assert (await unloading)["cut_off"] == 0
    await later
    assert len(house.host.started) == 2


async def test_unloading_what_is_not_loaded_is_refused(house: House) -> None:
    model = house.models[0]
    with pytest.raises(ModelNotLoaded):
        await house.serving.unload(operator(Permission.MODEL_UNLOAD, model), model.id)


async def test_loading_on_other_terms_than_those_in_memory_is_refused(house: House) -> None:
    model = house.models[0]
    await use(house, model)
    with pytest.raises(ModelBusy, match="Unload it first"):
        await house.serving.load(
            operator(Permission.MODEL_LOAD, model), model, Terms(context=128, slots=1)
        )


async def test_edited_bytes_are_found_at_load_and_refused(house: House) -> None:
    model = house.models[0]
    flip_last_byte(house.catalog.verify(model.id) / "model.safetensors")
    with pytest.raises(DigestMismatch, match="model.safetensors"):
        await use(house, model)
    assert house.host.started == []


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
