"""A key that asks too much, beside one that does not, at a whole server in this process."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from app.settings import Settings
from app.wiring import wire
from tests.fakes.as_operator import LISTENING, as_operator
from tests.fakes.clock import FixedClock
from tests.fakes.engine import FakeEngine, FakeEngineHost
from tests.fakes.house import assert_openai_error
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model

CHAT = "/v1/chat/completions"
NAME = "lab/one"


@dataclass
class Loaded:
    """A server with one model in memory, whose engine answers nobody until it is let go on."""

    operator: httpx.AsyncClient
    engine: FakeEngine
    clock: FixedClock
    used: list[int]
    """Bytes of memory that other programs hold."""

    async def ask(self, *, as_operator: bool = False, path: str = CHAT) -> httpx.Response:
        headers = {} if as_operator else {"Authorization": ""}
        body = {"model": NAME, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 2}
        return await self.operator.post(path, json=body, headers=headers)

    async def under_way(self) -> int:
        status = (await self.operator.get("/authority/status")).json()
        return int(sum(model["active"] + model["queued"] for model in status["models"]))


@asynccontextmanager
async def loaded(home: Path, **settings: Any) -> AsyncIterator[Loaded]:
    clock, host, used = FixedClock(), FakeEngineHost(), [0]
    home.mkdir(mode=0o700)
    directory = tiny_model(home / "model")
    with (
        patch("app.wiring.opening.SystemClock", lambda: clock),
        patch("app.wiring.import_bundled"),
    ):
        made = wire(
            Settings.model_validate({"preload": (), "slots": 1, **settings}),
            home=home,
            listening=LISTENING,
            host=host,
            probe=FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: used[0]),
        )
        async with as_operator(made, home) as operator:
            asked = {"path": str(directory), "name": NAME}
            (await operator.post("/authority/models/import", json=asked)).raise_for_status()
            (await operator.post(f"/authority/models/{NAME}/load", json={})).raise_for_status()
            host.started[-1].hold()
            yield Loaded(operator, host.started[-1], clock, used)
            host.started[-1].release()


async def begun(at: Loaded, count: int) -> list[asyncio.Task[httpx.Response]]:
    tasks = [asyncio.create_task(at.ask()) for _ in range(count)]
    while await at.under_way() < count:
        await asyncio.sleep(0.001)
    return tasks


async def test_who_has_as_much_under_way_as_they_may_is_told_so_and_others_are_not(
    tmp_path: Path,
) -> None:
    limits = {"keys": {"anonymous": {"concurrent": 1}}}
    async with loaded(tmp_path / "home", limits=limits) as at:
        first = await begun(at, 1)
        refused = await at.ask()
        error = assert_openai_error(refused, 429)
        assert (error["code"], error["type"]) == ("too_many_requests", "rate_limit_error")
        assert refused.headers["retry-after"] == "1"
        assert (await at.operator.get("/v1/models")).status_code == 200
        mine = asyncio.create_task(at.ask(as_operator=True))
        at.engine.release()
        assert (await mine).status_code == 200
        assert (await first[0]).status_code == 200
        assert (await at.ask()).status_code == 200


async def test_who_asks_too_often_is_told_when_to_come_back_and_then_answered(
    tmp_path: Path,
) -> None:
    async with loaded(tmp_path / "home", limits={"per_minute": 2}) as at:
        at.engine.release()
        answers = [await at.ask() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        wait = int(answers[-1].headers["retry-after"])
        assert wait == 30
        events = await at.operator.get("/authority/ledger/events", params={"limit": 1000})
        assert events.json()["events"]
        assert "too_many_requests" not in events.text
        at.clock.advance(wait)
        assert (await at.ask()).status_code == 200


async def test_a_bot_with_many_requests_does_not_delay_another_keys_only_one(
    tmp_path: Path,
) -> None:
    async with loaded(tmp_path / "home") as at:
        bots = await begun(at, 30)
        ended: list[str] = []
        for task in bots:
            task.add_done_callback(lambda _: ended.append("bot"))
        mine = asyncio.create_task(at.ask(as_operator=True))
        mine.add_done_callback(lambda _: ended.append("mine"))
        while await at.under_way() < 31:
            await asyncio.sleep(0.001)
        at.engine.release()
        answers = await asyncio.gather(mine, *bots)
        assert {answer.status_code for answer in answers} == {200}
        assert ended.index("mine") <= 3


async def test_while_queue_and_memory_are_full_operators_probes_and_the_ledger_are_answered(
    tmp_path: Path,
) -> None:
    async with loaded(tmp_path / "home", queue_limit=4) as at:
        bots = await begun(at, 5)
        assert (await at.ask()).json()["error"]["code"] == "queue_full"
        newcomer = asyncio.create_task(at.ask(as_operator=True))
        while await at.under_way() < 6:
            await asyncio.sleep(0.001)
        at.used[0] = 64 * GIB
        asked = {"path": str(tmp_path / "home" / "model"), "name": "lab/two"}
        (await at.operator.post("/authority/models/import", json=asked)).raise_for_status()
        refused = await at.operator.post("/authority/models/lab/two/load", json={})
        assert refused.json()["code"] == "does_not_fit"
        for path in ("/healthz", "/readyz", "/metrics", "/authority/status", "/v1/models"):
            assert (await at.operator.get(path)).status_code == 200
        assert (await at.operator.get("/authority/ledger/events")).status_code == 200
        unloading = asyncio.create_task(at.operator.post(f"/authority/models/{NAME}/unload"))
        waited = await asyncio.gather(newcomer, *bots[2:])
        codes = {answer.json()["error"]["code"] for answer in waited}
        assert (codes, waited[0].headers["retry-after"]) == ({"queue_full"}, "2")
        assert await at.under_way() == 2
        at.engine.release()
        assert (await unloading).status_code == 200
        assert [(await bot).status_code for bot in bots[:2]] == [200, 200]
        assert await at.under_way() == 0


async def test_a_client_that_leaves_while_it_waits_gives_its_place_back(tmp_path: Path) -> None:
    async with loaded(tmp_path / "home", limits={"concurrent": 6}) as at:
        bots = await begun(at, 6)
        for task in bots[1:]:
            task.cancel()
        await asyncio.gather(*bots[1:], return_exceptions=True)
        while await at.under_way() > 1:
            await asyncio.sleep(0.001)
        at.engine.release()
        assert (await bots[0]).status_code == 200
        assert [(await at.ask()).status_code for _ in range(6)] == [200] * 6
