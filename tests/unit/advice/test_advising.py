"""The use cases of advice: who may, what is answered, and what reaches the parts behind them."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.authority.advice.kept import Kept, State
from app.authority.advising import Advising
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import (
    Forbidden,
    InvalidRequest,
    KeyMissing,
    ProposalEnded,
    ProposalInvalid,
    ProposalNotFound,
)
from tests.fakes.advice import BOT, FACTS, NOBODYS, PERSON, Desk, distinct, raw

AUDITOR = Actor("key:5", "auditor", frozenset({Role.AUDITOR}))
APPROVER = Actor("key:6", "approver", frozenset({Role.APPROVER}), "p-00000001")
CLIENT = Actor("key:7", "client", frozenset({Role.CLIENT}))
WOULD = {"what": "done", "code": None, "message": "It would be unloaded."}


@dataclass
class Published:
    digest: str = "ab" * 32
    body: bytes = json.dumps(FACTS).encode()
    at_us: int = 1


@dataclass
class Parts:
    """Everything that is behind the use cases but the store; `asked`: what reached it."""

    desk: Desk
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def now(self) -> Published:
        return Published()

    async def would(self, actor: Actor, kept: Kept) -> dict[str, Any]:
        self.asked.append(("would", actor.id, kept.id))
        return WOULD

    async def preview(self, actor: Actor, kept: Kept) -> dict[str, Any]:
        self.asked.append(("preview", actor.id, kept.id))
        return {"lines": ["It frees 4 GiB."]}

    async def accept(
        self, actor: Actor, kept: Kept, *, reason: str, digest: str, request_id: str | None
    ) -> Kept:
        self.asked.append(("accept", actor.id, kept.id, reason, digest, request_id))
        return self.desk.decide(kept, State.ACCEPTED, reason, actor)

    async def dismiss(self, actor: Actor, kept: Kept, *, reason: str) -> Kept:
        self.asked.append(("dismiss", actor.id, kept.id, reason))
        return self.desk.decide(kept, State.DISMISSED, reason, actor)

    async def advisors(self) -> dict[str, Any]:
        return {"advisors": [], "walls": []}

    async def run(self, name: str, *, by: Actor) -> dict[str, Any]:
        self.asked.append(("run", name, by.id))
        return {"name": name}

    async def replay(self, name: str, *, month: str, seed: int) -> dict[str, Any]:
        self.asked.append(("replay", name, month, seed))
        return {"name": name}

    async def scorecard(self) -> dict[str, Any]:
        return {"advisors": [], "proposals": []}

    async def run_of(self, kept: Kept) -> str | None:
        return kept.run

    async def measured(self, kept: Kept) -> dict[str, Any] | None:
        return None if kept.state is State.OPEN else {"verdict": "too_early"}


@pytest.fixture
def parts(desk: Desk) -> Parts:
    return Parts(desk)


@pytest.fixture
def cases(desk: Desk, parts: Parts) -> Advising:
    return Advising(
        publishing=parts,
        proposing=desk.proposing,
        proposals=desk.proposals,
        previews=parts,
        accepting=parts,
        hosting=parts,
        scoring=parts,
    )


Call = Callable[[Advising, Actor], Awaitable[Any]]
READS: dict[str, Call] = {
    "list": lambda cases, actor: cases.list(actor),
    "show": lambda cases, actor: cases.show(actor, "abc"),
    "advisors": lambda cases, actor: cases.advisors(actor),
    "scorecard": lambda cases, actor: cases.scorecard(actor),
}
RUNS: dict[str, Call] = {
    "run": lambda cases, actor: cases.run(actor, "residency"),
    "replay": lambda cases, actor: cases.replay(actor, "residency", month="none", seed=1),
}
DECIDES: dict[str, Call] = {
    "accept": lambda cases, actor: cases.accept(actor, "abc", reason="Yes.", digest="d"),
    "dismiss": lambda cases, actor: cases.dismiss(actor, "abc", reason="No."),
}


@pytest.mark.parametrize(
    ("call", "actors"),
    [
        *((call, (BOT, CLIENT, ANONYMOUS)) for call in READS.values()),
        *((call, (BOT, CLIENT, ANONYMOUS, AUDITOR, APPROVER)) for call in RUNS.values()),
        *(
            (call, (BOT, CLIENT, ANONYMOUS, AUDITOR, APPROVER, NOBODYS, SYSTEM))
            for call in DECIDES.values()
        ),
        (lambda cases, actor: cases.snapshot(actor), (CLIENT, APPROVER, ANONYMOUS)),
        (
            lambda cases, actor: cases.propose(actor, {"proposals": [raw()]}),
            (CLIENT, APPROVER, ANONYMOUS, PERSON, AUDITOR, SYSTEM),
        ),
    ],
    ids=[*READS, *RUNS, *DECIDES, "snapshot", "propose"],
)
async def test_whoever_may_not_is_refused_and_nothing_is_asked(
    cases: Advising, parts: Parts, call: Call, actors: tuple[Actor, ...]
) -> None:
    for actor in actors:
        with pytest.raises((Forbidden, KeyMissing)):
            await call(cases, actor)
    assert parts.asked == []


async def test_the_snapshot_goes_out_with_the_digest_that_names_it(cases: Advising) -> None:
    for actor in (BOT, PERSON, AUDITOR):
        assert json.loads(await cases.snapshot(actor)) == {"digest": "ab" * 32, "snapshot": FACTS}


async def test_a_list_says_of_each_open_one_what_the_authority_would_say(
    cases: Advising, desk: Desk
) -> None:
    kept = desk.decide(await desk.kept(**distinct(2)[0]))
    still = await desk.kept(**distinct(2)[1])
    told = await cases.list(AUDITOR)
    assert {one["id"]: one["would"] for one in told["proposals"]} == {
        kept.id: None,
        still.id: WOULD,
    }
    assert told["next"] is None
    opened = (await cases.list(PERSON, state="open"))["proposals"]
    assert [one["id"] for one in opened] == [still.id]
    assert (await cases.list(PERSON, kind="route"))["proposals"] == []
    assert len((await cases.list(PERSON, author=BOT.id, kind="terms"))["proposals"]) == 2


async def test_pages_go_on_until_there_is_nothing(cases: Advising, desk: Desk) -> None:
    for one in distinct(5):
        await desk.kept(**one)
        desk.clock.advance(1)
    seen, cursor = [], None
    for _ in range(4):
        told = await cases.list(PERSON, limit=2, cursor=cursor)
        seen += [one["id"] for one in told["proposals"]]
        if (cursor := told["next"]) is None:
            break
    assert seen == [one.id for one in desk.proposals.page()]


@pytest.mark.parametrize(
    ("param", "asked"),
    [
        ("state", {"state": "closed"}),
        ("kind", {"kind": "reboot"}),
        ("cursor", {"cursor": "x"}),
        ("cursor", {"cursor": "\u0661-abc"}),
        ("cursor", {"cursor": "9" * 19}),
    ],
)
async def test_what_no_list_has_is_named(
    cases: Advising, param: str, asked: dict[str, str]
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await cases.list(PERSON, **asked)  # type: ignore[arg-type]
    assert caught.value.param == param


async def test_one_is_shown_with_a_preview_while_it_is_open_and_measured_after(
    cases: Advising, desk: Desk
) -> None:
    kept = await desk.kept()
    told = await cases.show(PERSON, kept.id[:4])
    assert told == {
        **kept.as_plain(),
        "would": WOULD,
        "preview": {"lines": ["It frees 4 GiB."]},
        "measured": None,
    }
    desk.decide(kept)
    told = await cases.show(PERSON, kept.id)
    assert (told["would"], told["preview"]) == (None, None)
    assert told["measured"] == {"verdict": "too_early"}
    with pytest.raises(ProposalNotFound):
        await cases.show(PERSON, "ffffffff")


async def test_what_is_posted_is_kept_under_the_key_that_posted_it(
    cases: Advising, desk: Desk
) -> None:
    told = await cases.propose(BOT, {"proposals": [raw()]})
    assert told["kept"] == 1
    assert desk.proposals.page()[0].author == BOT.id
    with pytest.raises(ProposalInvalid) as caught:
        await cases.propose(BOT, {"proposals": [{}]})
    assert caught.value.act == "advice.propose"


async def test_a_person_accepts_and_dismisses_with_a_reason(
    cases: Advising, desk: Desk, parts: Parts
) -> None:
    one, two = [await desk.kept(**each) for each in distinct(2)]
    told = await cases.accept(PERSON, one.id, reason="Yes.", digest=one.digest, request_id="r")
    assert (told["state"], told["decided"]["reason"]) == ("accepted", "Yes.")
    told = await cases.dismiss(PERSON, two.id, reason="Not in r\u00e9sum\u00e9 week.")
    assert (told["state"], told["decided"]["by"]) == ("dismissed", PERSON.id)
    assert parts.asked == [
        ("accept", PERSON.id, one.id, "Yes.", one.digest, "r"),
        ("dismiss", PERSON.id, two.id, "Not in r\u00e9sum\u00e9 week."),
    ]
    with pytest.raises(ProposalEnded) as caught:
        await cases.dismiss(PERSON, two.id, reason="Again.")
    assert caught.value.act == "advice.decide"


@pytest.mark.parametrize("reason", ["", "  ", "a" * 501, "two\nlines", "\x1b[2J", "a\u202eb"])
async def test_a_reason_is_one_line_that_can_be_read(
    cases: Advising, desk: Desk, parts: Parts, reason: str
) -> None:
    kept = await desk.kept()
    for call in (
        cases.accept(PERSON, kept.id, reason=reason, digest=kept.digest),
        cases.dismiss(PERSON, kept.id, reason=reason),
    ):
        with pytest.raises(InvalidRequest) as caught:
            await call
        assert caught.value.param == "reason"
    assert parts.asked == []


async def test_an_operators_key_that_is_nobodys_decides_nothing_and_looks_and_runs(
    cases: Advising, desk: Desk
) -> None:
    kept = await desk.kept()
    with pytest.raises(Forbidden, match="person"):
        await cases.accept(NOBODYS, kept.id, reason="Yes.", digest=kept.digest)
    assert (await cases.show(NOBODYS, kept.id))["id"] == kept.id
    assert await cases.run(NOBODYS, "residency") == {"name": "residency"}
    assert desk.proposals.get(kept.id).state is State.OPEN
