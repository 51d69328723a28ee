"""Who gets a model into memory, who makes room, and what the ledger says of it."""

import asyncio
from pathlib import Path

import pytest

from app.authority.lifecycle.residency import Terms
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.models import CatalogModel
from app.domain.refusals import (
    AuditUnavailable,
    DigestMismatch,
    LoadFailed,
    MemoryReadingStale,
    ModelBusy,
    ModelNotLoaded,
    ModelQuarantined,
    ModelTooLarge,
    QueueFull,
    Refusal,
    ShuttingDown,
)
from tests.fakes.lifecycle import OPERATOR, House, jit, operator, until


async def use(house: House, model: CatalogModel) -> None:
    """One request that needs the model for a moment."""
    async with house.serving.lease(jit(model), model, sequences=1):
        pass


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
    await asyncio.gather(*loads)
    assert len(house.alive) == 1
    assert len(house.events("unload_outcome")) == 2


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
    house.host.fail_next("no such tensor")
    with pytest.raises(LoadFailed, match="no such tensor"):
        await use(house, model)
    assert house.events("load_outcome")[0].outcome == "failed"
    assert house.serving.residency.state(model.id) is State.FAILED
    await use(house, model)


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


async def test_idle_models_are_unloaded_after_their_time_and_busy_ones_stay(house: House) -> None:
    first, second, _ = house.models
    await use(house, first)
    async with house.serving.lease(jit(second), second, sequences=1):
        house.clock.advance(61)
        await house.serving.unload_idle(ttl_s=60)
        assert house.serving.residency.state(first.id) is State.ABSENT
        assert house.serving.residency.state(second.id) is State.READY


async def test_edited_bytes_are_found_at_load_and_refused(house: House) -> None:
    model = house.models[0]
    flip_last_byte(house.catalog.verify(model.id) / "model.safetensors")
    with pytest.raises(DigestMismatch, match="model.safetensors"):
        await use(house, model)
    assert house.host.started == []


async def test_what_cannot_be_recorded_is_not_loaded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = house.models[0]
    unrecordable(house, monkeypatch)
    with pytest.raises(AuditUnavailable):
        await use(house, model)
    assert house.host.started == []
    monkeypatch.undo()
    await use(house, model)


async def test_what_cannot_be_recorded_is_not_unloaded_and_still_answers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = house.models[0]
    await use(house, model)
    unrecordable(house, monkeypatch)
    with pytest.raises(AuditUnavailable):
        await house.serving.unload(operator(Permission.MODEL_UNLOAD, model), model.id)
    assert house.serving.residency.state(model.id) is State.READY
    await use(house, model)
    assert len(house.host.started) == 1
    monkeypatch.undo()


async def test_a_load_whose_outcome_cannot_be_recorded_is_undone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = house.models[0]
    unrecordable(house, monkeypatch, after=1)
    with pytest.raises(AuditUnavailable):
        await use(house, model)
    assert len(house.host.started) == 1
    assert house.alive == []
    monkeypatch.undo()


async def test_closing_stops_workers_records_it_and_takes_no_more(house: House) -> None:
    model = house.models[0]
    await use(house, model)
    await house.serving.close()
    assert house.alive == []
    assert house.events("unload_outcome")[-1].data["reason"] == "shutdown"
    with pytest.raises(ShuttingDown):
        await use(house, model)


async def test_closing_ends_loads_under_way_with_an_outcome(house: House) -> None:
    house.host.loading.clear()
    waiting = asyncio.create_task(use(house, house.models[0]))
    await until(lambda: len(house.events("load_intent")) == 1)
    await house.serving.close()
    with pytest.raises(Refusal):
        await waiting
    assert [e.outcome for e in house.events("load_outcome")] == ["abandoned"]


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_and_goes_every_intent_has_its_outcome(
    house: House, seed: int
) -> None:
    """Requests, cancellations and crashes in a random order leave no promise and no intent open."""
    import random

    drawn = random.Random(seed)
    house.room_for(2)
    tasks: list[asyncio.Task[None]] = []
    for _ in range(60):
        match drawn.randrange(4):
            case 0 | 1:
                tasks.append(asyncio.create_task(use(house, drawn.choice(house.models))))
            case 2 if tasks:
                drawn.choice(tasks).cancel()
            case _ if house.alive:
                drawn.choice(house.alive).crash()
        house.clock.advance(1)
        await asyncio.sleep(drawn.random() * 0.003)
    await asyncio.gather(*tasks, return_exceptions=True)
    await house.serving.close()
    assert house.ledger.open_intents() == []
    assert house.serving.residency.promised_untaken_bytes() == 0
    assert all(h.waiting == h.running == 0 for h in house.serving.residency.all())


def unrecordable(house: House, monkeypatch: pytest.MonkeyPatch, *, after: int = 0) -> None:
    """From the event `after` the next ones on, the ledger cannot be written."""
    append, written = house.ledger.append, [0]

    def fail(event: object) -> object:
        if written[0] < after:
            written[0] += 1
            return append(event)
        raise AuditUnavailable("The ledger cannot be written.")

    monkeypatch.setattr(house.ledger, "append", fail)


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
