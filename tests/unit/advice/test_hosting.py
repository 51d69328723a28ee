"""An advisor is run for what it says; whatever else it tried is recorded as its own attempt."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.authority.advice.hosting import AGAIN_S, FIRST_S, _first_wait_s
from app.domain.actors import SYSTEM
from app.domain.advice.contained import Order, Outcome, Tried
from app.domain.refusals import AdvisorBusy, AdvisorNotFound, InvalidRequest
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advice import SNAPSHOT, raw
from tests.fakes.advised import Advised
from tests.fakes.scripted_advisors import LOOK, Published, Publishing, Script, hosting


def written(*proposals: Any) -> tuple[bytes, ...]:
    return tuple(one if isinstance(one, bytes) else orjson.dumps(one) for one in proposals)


# --- what it says -------------------------------------------------------------------------------


async def test_what_it_proposes_is_kept_as_the_advisors_own(advised: Advised) -> None:
    script = Script(Outcome(proposals=written(raw()), elapsed_ms=7, cpu_ms=5, peak_bytes=9))
    made = hosting(advised, script)
    told = await made.run("residency", by=advised.person)
    (kept,) = advised.proposals.page()
    assert (kept.author, kept.snapshot, str(kept.evidence)) == (
        "advisor:residency",
        SNAPSHOT,
        "holds",
    )
    assert (told["kept"], told["refused"], told["tried"], told["ended"]) == (1, 0, [], "")
    order = script.orders[-1]
    assert (order.do, order.advisor, order.snapshot) == ("advise", "residency", b'{"version":1}')
    last = (await made.advisors())["advisors"][0]["last"]
    assert last == {
        "at_us": advised.clock.utc_us(),
        "kept": 1,
        "refused": 0,
        "tried": 0,
        "ended": "",
        "elapsed_ms": 7,
        "cpu_ms": 5,
        "peak_bytes": 9,
    }


async def test_garbage_is_refused_under_its_name_and_the_rest_is_kept(advised: Advised) -> None:
    junk = written(b"\xff\xfe", b"[1", {"kind": "reboot"}, {**raw(), "author": "key:00000009"})
    script = Script(Outcome(proposals=(*junk, *written(raw()))))
    told = await hosting(advised, script).run("residency", by=advised.person)
    assert (told["kept"], told["refused"]) == (1, 4)
    refused = advised.events(Event.REFUSAL)
    assert {(one.actor, one.data["code"]) for one in refused} == {
        ("advisor:residency", "proposal_invalid")
    }
    assert len(refused) == 4


async def test_of_a_flood_a_post_is_read_and_the_rest_is_an_attempt(advised: Advised) -> None:
    flood = (raw(kind="terms", change={"context": 1_000 + n}) for n in range(60))
    told = await hosting(advised, Script(Outcome(proposals=written(*flood)))).run(
        "residency", by=advised.person
    )
    assert told["kept"] + told["refused"] == 60
    assert told["kept"] == 20  # an author has no more open ones
    assert told["tried"] == [{"what": "output", "which": "60 proposals in one run"}]


# --- what it tried ------------------------------------------------------------------------------


async def test_what_it_tried_is_a_blocked_attempt_of_its_own(advised: Advised) -> None:
    tried = (Tried("open", "/home/ann/.lmx/operator.key"), Tried("import", "app.authority"))
    ended = "it was killed: it took more than 2 s"
    made = hosting(advised, Script(Outcome(tried=tried, ended=ended)))
    told = await made.run("residency", by=advised.person)
    assert told["ended"] == ended
    assert [one["what"] for one in told["tried"]] == ["open", "import"]
    first, second = advised.events(Event.REFUSAL)
    assert (first.actor, first.subject, first.data["code"]) == (
        "advisor:residency",
        "open",
        "advisor_contained",
    )
    assert second.subject == "import"
    run = advised.run_of(first.data["run"])
    assert (run["outcome"], run["actor"]["roles"]) == ("refused", ["advisor"])
    assert "/home/ann/.lmx/operator.key" in run["refusal"]["message"]
    assert (await made.advisors())["advisors"][0]["last"]["tried"] == 2


async def test_what_it_tried_is_told_in_characters_that_can_be_seen(advised: Advised) -> None:
    script = Script(Outcome(tried=(Tried("open", "\x1b[2J\u202egnp.exe"),)))
    await hosting(advised, script).run("residency", by=advised.person)
    (event,) = advised.events(Event.REFUSAL)
    assert event.data["message"].isprintable()


# --- who runs -----------------------------------------------------------------------------------


async def test_an_advisor_that_nobody_knows_is_not_run(advised: Advised) -> None:
    script = Script()
    for wrong in ("nobody", "", "../residency"):
        with pytest.raises(AdvisorNotFound, match="residency, llm"):
            await hosting(advised, script).run(wrong, by=advised.person)
    assert {order.do for order in script.orders} == {"look"}


async def test_one_runs_at_a_time_and_others_beside_it(advised: Advised) -> None:
    script = Script()
    made = hosting(advised, script)
    script.go_on.clear()
    running = asyncio.create_task(made.run("residency", by=advised.person))
    while not any(order.do == "advise" for order in script.orders):
        await asyncio.sleep(0)
    with pytest.raises(AdvisorBusy):
        await made.run("residency", by=advised.person)
    other = asyncio.create_task(made.run("llm", by=advised.person))
    replayed = asyncio.create_task(made.replay("residency", month="none", seed=0))
    while not any(order.do == "replay" for order in script.orders):
        await asyncio.sleep(0)
    with pytest.raises(AdvisorBusy):
        await made.replay("residency", month="none", seed=1)
    script.go_on.set()
    await asyncio.gather(running, other, replayed)
    assert (await made.run("residency", by=advised.person))["ended"] == ""


async def test_the_advisors_and_walls_are_looked_at_once(advised: Advised) -> None:
    script = Script(look=Outcome(ended="python could not be started"))
    made = hosting(advised, script, by_itself=("residency", "llm"), every_hours=24)
    assert await made.advisors() == {"advisors": [], "walls": []}
    assert made.walls() is None
    script.look = LOOK  # what failed is looked at again
    told = await made.advisors()
    assert [(one["name"], one["enabled"], one["last"]) for one in told["advisors"]] == [
        ("residency", True, None),
        ("llm", False, None),  # no model is named for it
    ]
    assert told["walls"][1] == {"name": "landlock", "stands": False, "why": "this kernel has none"}
    await made.advisors()
    assert len(script.orders) == 2
    assert made.walls() == told["walls"]


def runs(script: Script) -> list[str]:
    return [order.advisor for order in script.orders if order.do == "advise"]


async def test_one_that_never_proposed_runs_soon_after_the_start_and_then_by_the_hours(
    advised: Advised,
) -> None:
    script = Script()
    made = hosting(advised, script, by_itself=("residency", "llm"), every_hours=24)
    await made.run_due()
    advised.clock.advance(FIRST_S - 1)
    await made.run_due()
    assert runs(script) == []
    advised.clock.advance(1)
    await made.run_due()
    await made.run_due()
    assert runs(script) == ["residency"]
    advised.clock.advance(24 * 3_600 - 1)
    await made.run_due()
    assert runs(script) == ["residency"]
    advised.clock.advance(1)
    await made.run_due()
    assert runs(script) == ["residency", "residency"]


async def test_a_server_that_is_started_daily_runs_each_when_its_last_proposals_are_old(
    advised: Advised,
) -> None:
    await hosting(advised, Script(Outcome(proposals=written(raw())))).run(
        "residency", by=advised.person
    )
    for start_after_h, due in ((10, []), (13, []), (1, ["residency"])):
        advised.clock.advance(start_after_h * 3_600)
        script = Script()
        await hosting(advised, script, by_itself=("residency",), every_hours=24).run_due()
        assert runs(script) == due


@pytest.mark.parametrize(
    ("last_us", "now_us", "wait_s"),
    [
        (None, 5, FIRST_S),
        (0, 3_600_000_000, 82_800),
        (0, 10**15, 0),
        (10**15, 0, 86_400),  # the clock was set back
    ],
)
def test_a_start_puts_off_no_run(last_us: int | None, now_us: int, wait_s: float) -> None:
    assert _first_wait_s(last_us, now_us, 86_400) == wait_s


async def test_an_advisor_that_cannot_run_does_not_keep_the_next_from_it(advised: Advised) -> None:
    script = Script()
    made = hosting(advised, script, by_itself=("gone", "residency"), every_hours=1)
    await made.run_due()
    advised.clock.advance(3_600)
    await made.run_due()
    assert runs(script) == ["residency"]


async def test_what_keeps_one_from_running_for_a_while_is_tried_again_soon(
    advised: Advised,
) -> None:
    script = Script()
    made = hosting(advised, script, by_itself=("residency", "llm"), model="lab/one", every_hours=24)
    await made.run_due()
    advised.clock.advance(FIRST_S)
    script.go_on.clear()
    by_hand = asyncio.create_task(made.run("residency", by=advised.person))
    while not runs(script):
        await asyncio.sleep(0)
    other = asyncio.create_task(made.run_due())  # residency is busy, llm begins
    while "llm" not in runs(script):
        await asyncio.sleep(0)
    script.go_on.set()
    await asyncio.gather(by_hand, other)
    advised.clock.advance(AGAIN_S - 1)
    await made.run_due()
    assert runs(script) == ["residency", "llm"]
    advised.clock.advance(1)
    await made.run_due()
    assert runs(script) == ["residency", "llm", "residency"]


async def test_a_host_that_breaks_is_tried_again_soon_and_keeps_nobody_from_running(
    advised: Advised,
) -> None:
    class Broken(Script):
        async def run(self, order: Order, answer: Any) -> Outcome:
            outcome = await super().run(order, answer)
            if order.advisor == "residency" and len(self.orders) < 4:
                raise OSError("no process could be made")
            return outcome

    script = Broken()
    made = hosting(advised, script, by_itself=("residency", "llm"), model="lab/one", every_hours=24)
    await made.run_due()
    advised.clock.advance(FIRST_S)
    await made.run_due()
    advised.clock.advance(AGAIN_S)
    await made.run_due()
    assert runs(script) == ["residency", "llm", "residency"]


async def test_where_no_process_can_be_made_nobody_is_told_that_a_name_is_wrong(
    advised: Advised,
) -> None:
    script = Script(look=Outcome(ended="python could not be started"))
    made = hosting(advised, script, by_itself=("residency",), every_hours=24)
    with pytest.raises(AdvisorNotFound, match="python could not be started"):
        await made.run("residency", by=advised.person)
    await made.run_due()
    advised.clock.advance(FIRST_S)
    await made.run_due()
    script.look = LOOK
    advised.clock.advance(AGAIN_S)
    await made.run_due()
    assert runs(script) == ["residency"]


async def test_without_an_interval_none_runs_by_itself(advised: Advised) -> None:
    script = Script()
    made = hosting(advised, script, by_itself=("residency",), every_hours=0)
    await made.run_due()
    advised.clock.advance(10**7)
    await made.run_due()
    assert script.orders == []


# --- replays ------------------------------------------------------------------------------------


async def test_a_replay_reports_and_proposes_nothing(advised: Advised) -> None:
    report = orjson.dumps({"hits": 3, "ended": "forged", "name": "forged"})
    script = Script(Outcome(report=report, proposals=written(raw())))
    made = hosting(advised, script)
    told = await made.replay("residency", month="office", seed=7)
    assert (told["hits"], told["ended"], told["name"], told["seed"]) == (3, "", "residency", 7)
    assert advised.proposals.page() == []
    assert (script.orders[-1].month, script.orders[-1].snapshot) == ("office", None)
    await made.replay("residency", month="recorded", seed=0)
    assert script.orders[-1].snapshot == b'{"version":1}'


async def test_without_use_on_record_there_is_no_month_to_replay(advised: Advised) -> None:
    script = Script()
    empty = Published(body=b'{"use":{"columns":{"hour":[]}}}')
    made = replace(hosting(advised, script), publishing=Publishing(empty))
    with pytest.raises(InvalidRequest, match="office, rotation, none") as refused:
        await made.replay("residency", month="recorded", seed=0)
    assert refused.value.param == "month"
    assert [order.do for order in script.orders] == ["look"]


async def test_a_replay_that_reports_garbage_is_no_report(advised: Advised) -> None:
    for report in (b"[1,2]", b"\xff", None):
        told = await hosting(advised, Script(Outcome(report=report, ended="it was killed"))).replay(
            "residency", month="none", seed=0
        )
        assert told["ended"] == "it was killed"
    with pytest.raises(InvalidRequest):
        await hosting(advised, Script()).replay("residency", month="june", seed=0)
    with pytest.raises(AdvisorNotFound):
        await hosting(advised, Script()).replay("nobody", month="none", seed=0)


async def test_the_server_itself_may_run_one(advised: Advised) -> None:
    assert (await hosting(advised, Script()).run("residency", by=SYSTEM))["ended"] == ""
