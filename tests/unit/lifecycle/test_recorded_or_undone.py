"""What cannot be recorded does not happen, and everything that began has an end."""

import asyncio

import pytest

from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission
from app.domain.refusals import (
    AuditUnavailable,
    Refusal,
    ShuttingDown,
)
from tests.fakes.lifecycle import House, operator, until, use


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


async def test_a_defect_while_starting_leaves_no_intent_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(house.host, "start", broken)
    with pytest.raises(RuntimeError):
        await use(house, house.models[0])
    assert [e.outcome for e in house.events("load_outcome")] == ["failed"]
    assert house.ledger.open_intents() == []
    monkeypatch.undo()
    await use(house, house.models[0])


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
