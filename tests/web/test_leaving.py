"""A client that goes away stops what only it wanted, wherever the request is."""

import asyncio
import json
from typing import Any

import pytest

from app.domain.refusals import DiskFull
from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import Caller, House, chat
from tests.fakes.inference import End, Hold, Say, Script

CHAT = "/v1/chat/completions"
each = pytest.mark.parametrize("stream", [False, True])


def _json(**fields: Any) -> bytes:
    return json.dumps(chat(**fields)).encode()


@each
async def test_while_the_request_waits_to_be_accepted(stream: bool, house: House) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[Hold(asyncio.Event())])
    caller = Caller(house.app(), CHAT, _json(stream=stream))
    await house.inference.opening.wait()
    await caller.leave()
    assert house.inference.cancelled_opens == 1
    assert house.inference.opened == []
    assert caller.sent == []


@each
async def test_before_the_first_text(stream: bool, house: House) -> None:
    reached = Reached()
    house.inference.scripts["lab/echo"] = Script(steps=[Hold(reached), End()])
    caller = Caller(house.app(), CHAT, _json(stream=stream))
    await reached.waited.wait()
    await caller.leave()
    assert house.inference.opened[0].cancelled
    assert house.inference.opened[0].closed.is_set()
    assert caller.sent == []


@each
async def test_between_two_texts(stream: bool, house: House) -> None:
    reached = Reached()
    house.inference.scripts["lab/echo"] = Script(
        steps=[Say("a"), Hold(reached), Say("never"), End()]
    )
    caller = Caller(house.app(), CHAT, _json(stream=stream))
    await reached.waited.wait()
    await caller.leave()
    generation = house.inference.opened[0]
    assert generation.cancelled
    assert generation.closed.is_set()
    assert generation.taken == 1
    assert b"never" not in caller.body


@each
async def test_a_server_that_stops_closes_the_generation(stream: bool, house: House) -> None:
    reached = Reached()
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), Hold(reached), End()])
    caller = Caller(house.app(), CHAT, _json(stream=stream))
    await reached.waited.wait()
    caller.done.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller.done
    assert house.inference.opened[0].closed.is_set()


@each
async def test_one_that_stays_is_answered_and_its_generation_closed(
    stream: bool, house: House
) -> None:
    caller = Caller(house.app(), CHAT, _json(stream=stream))
    await caller.done
    assert caller.status == 200
    assert house.inference.opened[0].closed.is_set()
    assert not house.inference.opened[0].cancelled


async def test_one_that_stops_reading_does_not_hold_the_model(house: House) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[*[Say("a")] * 100, End()])
    caller = Caller(house.app(), CHAT, _json(stream=True))
    caller.stalled.set()
    await house.inference.accepted.wait()
    await house.inference.opened[0].exhausted.wait()
    assert not caller.done.done()
    await caller.leave()
    assert house.inference.opened[0].closed.is_set()


async def test_no_task_is_left_behind(house: House) -> None:
    before = asyncio.all_tasks()
    await Caller(house.app(), CHAT, _json(stream=True)).done
    await Caller(house.app(), CHAT, _json() + b"x").done
    assert asyncio.all_tasks() == before


async def test_an_import_whose_client_leaves_is_cancelled(house: House) -> None:
    hashing = {"hashing": {"path": "w", "done": 1, "total": 2}}
    house.execution.import_steps = [hashing, asyncio.Event(), {"done": {}}]
    caller = _importing(house, {"path": "/m"})
    await house.execution.import_waiting.wait()
    await caller.leave()
    assert house.execution.import_cancelled.is_set()
    assert [json.loads(line) for line in caller.body.splitlines()] == [hashing]


async def test_an_import_that_is_refused_midway_says_so_in_its_last_line(house: House) -> None:
    house.execution.import_steps = [{"hashing": {}}, DiskFull("The disk is full.")]
    caller = _importing(house, {"path": "/m", "name": "lab/new"})
    await caller.done
    assert caller.status == 200
    last = json.loads(caller.body.splitlines()[-1])
    assert last["error"]["code"] == "disk_full"
    assert last["error"]["status"] == 507
    assert house.refusals.recorded[0][:3] == ("key:operator", "disk_full", "lab/new")


async def test_an_import_that_is_refused_at_once_is_a_proper_answer(house: House) -> None:
    caller = _importing(house, {"path": "/pickled"})
    await caller.done
    assert caller.status == 400
    assert json.loads(caller.body)["code"] == "intake_refused"


async def test_a_whole_import_ends_with_the_model(house: House) -> None:
    house.execution.import_steps = [{"hashing": {}}, {"done": {"id": "lab/new"}}]
    caller = _importing(house, {"path": "/m"})
    await caller.done
    assert (b"content-type", b"application/x-ndjson") in caller.sent[0]["headers"]
    assert caller.body == b'{"hashing": {}}\n{"done": {"id": "lab/new"}}\n'


def _importing(house: House, body: dict[str, Any]) -> Caller:
    key = ("authorization", f"Bearer {OPERATOR_KEY}")
    path = "/authority/models/import"
    return Caller(house.app(), path, json.dumps(body).encode(), headers=[key])


class Reached(asyncio.Event):
    """A gate that never opens, and tells that somebody waits at it."""

    def __init__(self) -> None:
        super().__init__()
        self.waited = asyncio.Event()

    async def wait(self) -> Any:
        self.waited.set()
        return await super().wait()
