"""A post of proposals: what is kept, what is seen again, what is refused, and who is told."""

import asyncio
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.authority.advice.kept import Evidence, Kept, State
from app.authority.advice.limits import AN_HOUR, OPEN_IN_ALL, OPEN_OF_ONE
from app.authority.advice.store import Proposals
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.refusals import AuditUnavailable, Forbidden
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advice import (
    BOT,
    MODELS,
    OTHER_BOT,
    PERSON,
    SNAPSHOT,
    Desk,
    distinct,
    open_desk,
    raw,
)
from tests.fakes.database import foreign_connection

HOUR, DAY = 3_600, 86_400


async def post(desk: Desk, *raws: object, author: Actor = BOT, snapshot: str | None = None) -> Any:
    return await desk.proposing.propose(author, raws, snapshot=snapshot, request_id="r-1")


async def refused(desk: Desk, *raws: object, **how: Any) -> Mapping[str, str]:
    told = await post(desk, *raws, **how)
    assert told["kept"] == 0, told
    said: Mapping[str, str] = told["proposals"][0]["refused"]
    return said


def authors(count: int) -> list[Actor]:
    return [Actor(f"key:{n:08x}", f"bot {n}", frozenset({Role.ADVISOR})) for n in range(count)]


# --- what is kept ---------------------------------------------------------------------------


async def test_the_answer_says_what_became_of_each_in_order(desk: Desk) -> None:
    told = await post(desk, raw(), raw(target="no/such"), raw())
    kept = desk.proposals.page()[0]
    assert told == {
        "proposals": [
            {
                "id": kept.id,
                "state": "open",
                "new": True,
                "seen": 1,
                "expires_us": desk.clock.utc_us() + 7 * DAY * 1_000_000,
            },
            {
                "refused": {
                    "code": "proposal_invalid",
                    "message": told["proposals"][1]["refused"]["message"],
                }
            },
            {
                "id": kept.id,
                "state": "open",
                "new": False,
                "seen": 1,
                "expires_us": kept.expires_us,
            },
        ],
        "kept": 2,
        "refused": 1,
    }
    assert "no/such" in told["proposals"][1]["refused"]["message"]


async def test_the_author_is_who_posts_and_nothing_that_is_written(desk: Desk) -> None:
    hosted = Actor("advisor:residency", "residency", frozenset({Role.ADVISOR}))
    assert (await desk.kept(hosted)).author == "advisor:residency"
    for forged in (
        {"author": BOT.id},
        {"actor": BOT.id},
        {"id": "0badcafe"},
        {"state": "accepted"},
    ):
        assert (await refused(desk, raw(target="lab/two", **forged)))["code"] == "proposal_invalid"
    assert len(desk.proposals.page()) == 1


@pytest.mark.parametrize("actor", [PERSON, SYSTEM, replace(BOT, roles=frozenset())])
async def test_whoever_is_no_advisor_proposes_nothing(desk: Desk, actor: Actor) -> None:
    with pytest.raises(Forbidden):
        await post(desk, raw(), author=actor)
    assert not desk.proposals.page()


@pytest.mark.parametrize(
    ("kind", "target", "change"),
    [
        ("load", "no/such", {}),
        ("delete", "no/such", {}),
        ("terms", "no/such", {"slots": 1}),
        ("route", "fast", {"models": ["lab/one", "no/such"]}),
    ],
)
async def test_a_model_that_is_not_there_is_named(
    desk: Desk, kind: str, target: str, change: dict[str, Any]
) -> None:
    said = await refused(desk, raw(kind=kind, target=target, change=change))
    assert "no/such" in said["message"]


async def test_an_alias_that_nobody_gave_yet_and_a_repository_elsewhere_can_be_proposed(
    desk: Desk,
) -> None:
    told = await post(
        desk,
        raw(kind="route", target="default", change={"models": ["lab/two"]}),
        raw(kind="route", target="never-given", change={"models": ["lab/two"]}),
        raw(kind="pull", target="org/elsewhere"),
    )
    assert told["kept"] == 3


# --- evidence -------------------------------------------------------------------------------


async def test_evidence_that_holds_is_said_to_hold(desk: Desk) -> None:
    facts = [
        {"field": ["models", "lab/one", "requests"], "value": 0},
        {"field": ["models", "lab/one", "last_used_us"], "value": None},
        {"field": ["models", "lab/one", "pinned"], "value": False},
        {"field": ["aliases", "default", "models", "1"], "value": "lab/two"},
        {"field": ["days"], "value": 30},
    ]
    await post(desk, raw(evidence=facts), snapshot=SNAPSHOT)
    kept = desk.proposals.page()[0]
    assert (kept.evidence, kept.snapshot) == (Evidence.HOLDS, SNAPSHOT)
    assert desk.events(Event.ADVICE_PROPOSED)[0].data["snapshot"] == SNAPSHOT


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (["models", "lab/one", "requests"], 1),
        (["models", "lab/one", "requests"], False),
        (["models", "lab/one", "pinned"], 0),
        (["models", "lab/one", "source"], "imported"),
        (["models", "lab/one", "last_used_us"], 0),
        (["models", "lab/one", "colour"], None),
        (["models", "no/such", "requests"], None),
        (["models", "lab/one"], None),
        (["models", "lab/one", "requests", "more"], None),
        (["aliases", "default", "models", "2"], "lab/two"),
        (["aliases", "default", "models", "-1"], "lab/two"),
        (["aliases", "default", "models", "\u0661"], "lab/two"),
        (["days", "0"], 3),
    ],
)
async def test_one_fact_that_the_snapshot_does_not_say_refuses_the_proposal(
    desk: Desk, field: list[str], value: Any
) -> None:
    true = {"field": ["days"], "value": 30}
    false = {"field": field, "value": value}
    said = await refused(desk, raw(evidence=[true, false]), snapshot=SNAPSHOT)
    assert "evidence[1]" in said["message"]
    assert said["message"].isprintable()


@pytest.mark.parametrize("snapshot", [None, "cd" * 32])
async def test_without_a_snapshot_that_is_still_known_evidence_is_unchecked(
    desk: Desk, snapshot: str | None
) -> None:
    false = [{"field": ["models", "lab/one", "requests"], "value": 999}]
    await post(desk, raw(evidence=false), snapshot=snapshot)
    kept = desk.proposals.page()[0]
    assert (kept.evidence, kept.snapshot) == (Evidence.UNCHECKED, snapshot)
    assert kept.as_plain()["evidence_holds"] is None


# --- the same again -------------------------------------------------------------------------


async def test_the_same_again_is_seen_again_and_no_second_event(desk: Desk) -> None:
    kept = await desk.kept()
    desk.clock.advance(60)
    told = await post(desk, raw(reason="Said otherwise.", confidence=1), author=OTHER_BOT)
    assert (told["proposals"][0]["id"], told["proposals"][0]["new"]) == (kept.id, False)
    now = desk.proposals.get(kept.id)
    assert (now.seen, now.seen_us, now.author) == (2, desk.clock.utc_us(), BOT.id)
    assert now.proposal.reason == kept.proposal.reason
    assert len(desk.events(Event.ADVICE_PROPOSED)) == 1


async def test_posts_of_the_same_at_once_make_one(desk: Desk) -> None:
    told = await asyncio.gather(*(post(desk, raw(), author=one) for one in authors(8)))
    assert len({one["proposals"][0]["id"] for one in told}) == 1
    assert sum(one["proposals"][0]["new"] for one in told) == 1
    assert len(desk.events(Event.ADVICE_PROPOSED)) == 1


async def test_many_posts_at_once_take_one_thread_of_the_server(desk: Desk) -> None:
    at_work, most = set(), 0

    def models() -> dict[str, int]:
        nonlocal most
        at_work.add(threading.get_ident())
        most = max(most, len(at_work))
        time.sleep(0.01)  # long enough for another to come in, if it could
        at_work.discard(threading.get_ident())
        return dict.fromkeys(MODELS, 0)

    slow = replace(desk.proposing, models=models)
    posts = (slow.propose(one, [raw()], snapshot=None) for one in authors(8))
    await asyncio.gather(*posts)
    assert most == 1


async def test_whoever_loses_against_another_process_sees_its_proposal(desk: Desk) -> None:
    first = await desk.kept()

    class Late(Proposals):
        blind = True

        def open_same(self, same: str) -> Kept | None:
            was, self.blind = self.blind, False
            return None if was else super().open_same(same)

    late = replace(desk.proposing, proposals=Late(desk.ledger, desk.engine))
    told = await late.propose(OTHER_BOT, [raw()], snapshot=None)
    assert (told["proposals"][0]["id"], told["proposals"][0]["new"]) == (first.id, False)
    assert len(desk.events(Event.ADVICE_PROPOSED)) == 1


@pytest.mark.parametrize(("state", "days"), [(State.DISMISSED, 7), (State.ACCEPTED, 1)])
async def test_what_a_person_decided_is_not_taken_again_at_once(
    desk: Desk, state: State, days: int
) -> None:
    kept = desk.decide(await desk.kept(), state, reason="we need it on Monday")
    desk.clock.advance(days * DAY - 1)
    said = await refused(desk, raw(reason="But still."))
    for part in (str(state), kept.id, "we need it on Monday", "2027-01-15 08:00:00 UTC"):
        assert part in said["message"]
    assert (await post(desk, raw(change={}, target="lab/two")))["kept"] == 1
    desk.clock.advance(1)
    told = await post(desk, raw())
    assert told["proposals"][0]["new"]
    assert told["proposals"][0]["id"] != kept.id


async def test_what_expired_may_be_proposed_again_at_once(desk: Desk) -> None:
    kept = await desk.kept(expires_in_s=HOUR)
    desk.clock.advance(HOUR)
    told = await post(desk, raw())
    assert told["proposals"][0]["new"]
    assert desk.proposals.get(kept.id).state is State.EXPIRED


# --- limits ---------------------------------------------------------------------------------


async def test_an_author_has_so_many_open_and_no_more_until_one_is_decided(desk: Desk) -> None:
    told = await post(desk, *distinct(OPEN_OF_ONE + 1))
    assert told["kept"] == OPEN_OF_ONE
    assert told["proposals"][-1]["refused"]["code"] == "too_many_proposals"
    assert (await post(desk, *distinct(OPEN_OF_ONE)))["kept"] == OPEN_OF_ONE, "seen again"
    assert (await post(desk, raw(), author=OTHER_BOT))["kept"] == 1
    desk.decide(desk.proposals.page(author=BOT.id)[0])
    assert (await post(desk, raw(target="lab/two")))["kept"] == 1


async def test_an_author_makes_so_many_an_hour_also_across_a_restart(tmp_path: Path) -> None:
    desk = open_desk(tmp_path / "home")
    for batch in range(0, AN_HOUR, OPEN_OF_ONE):
        told = await post(desk, *distinct(AN_HOUR)[batch : batch + OPEN_OF_ONE])
        assert told["kept"] == OPEN_OF_ONE
        for kept in desk.proposals.page(state=State.OPEN):
            desk.decide(kept)
    desk.close()
    again = open_desk(tmp_path / "home", desk.clock)
    assert (await refused(again, raw()))["code"] == "too_many_proposals"
    assert (await post(again, raw(), author=OTHER_BOT))["kept"] == 1
    again.clock.advance(HOUR)
    assert (await post(again, raw(target="lab/two")))["kept"] == 1
    again.close()


async def test_so_many_wait_in_all_whoever_proposes(desk: Desk) -> None:
    every = distinct(OPEN_IN_ALL + 1)
    for number, author in enumerate(authors(OPEN_IN_ALL // OPEN_OF_ONE)):
        told = await post(desk, *every[number * OPEN_OF_ONE :][:OPEN_OF_ONE], author=author)
        assert told["kept"] == OPEN_OF_ONE
    assert (await refused(desk, every[-1]))["code"] == "too_many_proposals"
    desk.clock.advance(8 * DAY)
    assert (await post(desk, every[-1]))["kept"] == 1, "those that expired take no room"


# --- refusals -------------------------------------------------------------------------------


async def test_each_refusal_is_recorded_under_its_author_as_an_attempt_to_propose(
    desk: Desk,
) -> None:
    await post(desk, raw(), raw(target="no/such"), {"kind": "\x1b[2J"}, author=OTHER_BOT)
    events = desk.events(Event.REFUSAL)
    assert [(one.actor, one.subject) for one in events] == [
        (OTHER_BOT.id, "no/such"),
        (OTHER_BOT.id, ""),
    ]
    assert {one.data["act"] for one in events} == {"advice.propose"}
    assert {one.data["code"] for one in events} == {"proposal_invalid"}
    assert {one.fields["request_id"] for one in events} == {"r-1"}
    assert all(one.data["message"].isprintable() for one in events)


async def test_a_flood_of_refusals_is_counted_and_not_written_one_by_one(desk: Desk) -> None:
    for _ in range(5):
        await post(desk, *[{"garbage": True}] * 50)
    assert len(desk.events(Event.REFUSAL)) <= 101
    assert desk.refusals.pending


async def test_a_ledger_that_cannot_be_written_is_no_fault_of_the_proposal(desk: Desk) -> None:
    connection = foreign_connection(desk.home / "lmx.db")
    connection.execute(
        "CREATE TRIGGER no_room BEFORE INSERT ON ledger_event BEGIN"
        " SELECT RAISE(ABORT, 'no room'); END"
    )
    connection.close()
    with pytest.raises(AuditUnavailable):
        await post(desk, raw())
