"""What the whole server does about advice by itself: settle, expire, run what is due, let go."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from app.authority.advice.kept import State
from app.domain.advice.contained import Order, Outcome, Wall
from app.domain.advice.frames import Answer, Question
from app.wiring import wire
from tests.fakes.advice import decided
from tests.fakes.advised import SETTINGS, open_advised
from tests.fakes.as_operator import LISTENING, as_operator
from tests.fakes.clock import FixedClock
from tests.fakes.engine import FakeEngineHost
from tests.fakes.memory import GIB, FixedMemory

DAY_S = 86_400


class Advisors:
    """Runs nothing; `ran`: the advisors that it was told to run. `stuck`: they never end."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.ran: list[str] = []
        self.ended: list[str] = []
        self.stuck = stuck

    async def run(self, order: Order, answer: Callable[[Question], Awaitable[Answer]]) -> Outcome:
        if order.do == "look":
            described = (("residency", "", ""), ("routing", "", ""))
            return Outcome(described=described, walls=(Wall("seccomp", False, "no"),))
        self.ran.append(order.advisor)
        try:
            await asyncio.sleep(DAY_S if self.stuck else 0)
        finally:
            self.ended.append(order.advisor)
        return Outcome()


@asynccontextmanager
async def server(
    home: Path, clock: FixedClock, host: Advisors | None = None, **advice: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The server over `home`, as it starts, runs and ends."""
    settings = SETTINGS.model_copy(
        update={"advice": SETTINGS.advice.model_copy(update={"every_hours": 0, **advice})}
    )
    with (
        patch("app.wiring.opening.SystemClock", lambda: clock),
        patch("app.wiring.import_bundled"),
        patch("app.wiring.running.ADVICE_S", 0.005),
    ):
        made = wire(
            settings,
            home=home,
            listening=LISTENING,
            host=FakeEngineHost(),
            probe=FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: 0),
            advisors=host or Advisors(),
        )
        async with as_operator(made, home) as client:
            yield client


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ends as soon as it is so; a test's own time limit ends it where it never is."""
    while not await true():
        await asyncio.sleep(0.01)


async def until_due(clock: FixedClock, seconds: float, true: Callable[[], bool]) -> None:
    """As `until`, while time passes: now and then, so that what has begun comes to its end."""
    for turn in itertools.count():
        if true():
            return
        if turn % 100 == 0:
            clock.advance(seconds)
        await asyncio.sleep(0.01)


async def test_what_was_accepted_and_not_seen_to_its_end_is_settled_at_the_start(
    tmp_path: Path,
) -> None:
    before = open_advised(tmp_path / "home")
    kept = await before.kept("pin", "lab/one")
    before.proposals.decide(
        kept,
        State.ACCEPTED,
        by=before.person.id,
        reason="yes",
        now_us=before.clock.utc_us(),
        event=decided(kept, State.ACCEPTED, "yes", before.person),
    )
    await before.close()
    async with server(tmp_path / "home", before.clock) as client:
        shown = (await client.get(f"/authority/proposals/{kept.id}")).json()
    assert (shown["state"], shown["outcome"]) == ("accepted", "unknown")


async def test_what_nobody_decided_expires_by_itself(tmp_path: Path) -> None:
    before = open_advised(tmp_path / "home")
    kept = await before.kept("pin", "lab/one", expires_in_s=3_600)
    await before.close()
    before.clock.advance(3_600)
    async with server(tmp_path / "home", before.clock) as client:

        async def expired() -> bool:
            shown = (await client.get(f"/authority/proposals/{kept.id}")).json()
            return bool(shown["state"] == "expired")

        await until(expired)


async def test_advisors_run_by_themselves_when_their_time_has_come(tmp_path: Path) -> None:
    before = open_advised(tmp_path / "home")
    await before.close()
    clock, advisors = before.clock, Advisors()
    names = ("residency", "routing")
    async with server(tmp_path / "home", clock, advisors, every_hours=24, advisors=names):
        await asyncio.sleep(0.05)
        assert advisors.ran == []
        await until_due(clock, DAY_S, lambda: set(advisors.ran) == set(names))


async def test_an_advisor_at_work_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    before = open_advised(tmp_path / "home")
    await before.close()
    clock, advisors = before.clock, Advisors(stuck=True)
    async with server(tmp_path / "home", clock, advisors, every_hours=1, advisors=("residency",)):
        await until_due(clock, 3_600, lambda: advisors.ran == ["residency"])
    assert advisors.ended == ["residency"]


async def test_with_no_hours_none_runs_by_itself(tmp_path: Path) -> None:
    before = open_advised(tmp_path / "home")
    await before.close()
    clock, advisors = before.clock, Advisors()
    async with server(tmp_path / "home", clock, advisors, every_hours=0):
        for _ in range(10):
            clock.advance(30 * DAY_S)
            await asyncio.sleep(0.005)
    assert advisors.ran == []


async def test_the_status_counts_what_waits_and_says_which_walls_stand(tmp_path: Path) -> None:
    before = open_advised(tmp_path / "home")
    await before.kept("pin", "lab/one")
    await before.close()
    async with server(tmp_path / "home", before.clock) as client:

        async def looked() -> bool:
            told = (await client.get("/authority/status")).json()["advice"]
            assert told["open"] == 1
            return told["walls"] is not None

        await until(looked)
        told = (await client.get("/authority/status")).json()["advice"]
        metrics = (await client.get("/metrics")).text
    assert told["walls"] == [{"name": "seccomp", "stands": False, "why": "no"}]
    assert "lmx_proposals_open 1.0" in metrics
