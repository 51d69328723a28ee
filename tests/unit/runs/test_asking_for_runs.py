"""Runs are listed, shown and compared; what is not what was recorded is never shown as one."""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.authority.auditing.runs import Runs
from app.authority.ledger import Ledger, RefusalRecorder
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.tiles import StoredTiles
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusal import attempting
from app.domain.refusals import (
    EvidenceDamaged,
    Forbidden,
    InvalidRequest,
    KeyMissing,
    ModelTooLarge,
    RunNotFound,
)
from app.evidence.runs import Attempt
from app.evidence.vocabulary import Kind
from tests.fakes.clock import FixedClock
from tests.fakes.database import foreign_connection
from tests.fakes.events import load_intent, load_outcome, saying

OPERATOR = Actor(id="key:1", name="o", roles=frozenset({Role.OPERATOR}), person="p-1")
CLIENT = Actor(id="key:2", name="c", roles=frozenset({Role.CLIENT}))
ADVISOR = Actor(id="key:3", name="a", roles=frozenset({Role.ADVISOR}))
GIB = 1 << 30


@pytest.fixture
def reads() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def asking(ledger: Ledger, reads: list[tuple[str, str, str]]) -> Runs:
    return Runs(
        ledger=ledger,
        blob=StoredTiles(ledger.readers).blob,
        note_read=lambda actor, what, detail: reads.append((actor.id, what, detail)),
    )


def loaded(ledger: Ledger, model: str, *, budget: int, outcome: str = "loaded") -> str:
    """Two events of a load; returns the run's digest."""
    intent = ledger.append(load_intent(model, actor=OPERATOR)).seq
    attempt = Attempt(
        act="model.load",
        subject=model,
        actor=OPERATOR,
        outcome=outcome,
        started_us=1,
        ended_us=2,
        inputs={"context": 64},
        feasibility={"need": {"total_bytes": 2 * GIB}, "budget": {"budget_bytes": budget}},
    )
    event = load_outcome(intent, model, actor=OPERATOR, outcome=outcome)
    attached = ledger.runs.attached(event, attempt)
    ledger.append(attached)
    return str(attached.data["run"])


def refused(recorder: RefusalRecorder, model: str, *, actor: Actor = OPERATOR) -> int:
    details = {"need": {"total_bytes": 2 * GIB}, "budget": {"budget_bytes": GIB}}
    try:
        with attempting("model.load", context=64):
            raise ModelTooLarge("Does not fit.", details=details)
    except ModelTooLarge as refusal:
        receipt = recorder.record(actor, refusal, model, None)
    assert receipt is not None
    return receipt.seq


async def listed(asking: Runs, **asked: str) -> list[str]:
    return [row["run"] for row in (await asking.list(OPERATOR, asked))["runs"]]


async def test_runs_are_listed_newest_first_and_only_runs(
    asking: Runs, ledger: Ledger, recorder: RefusalRecorder, reads: list[tuple[str, str, str]]
) -> None:
    first = loaded(ledger, "lab/a", budget=3 * GIB)
    ledger.append(saying("no run"))
    refused(recorder, "lab/b")
    answer = await asking.list(OPERATOR, {}, total=True)
    assert [row["outcome"] for row in answer["runs"]] == ["refused", "loaded"]
    assert answer["runs"][1] == {
        "run": first,
        "seq": 2,
        "ts_utc_us": answer["runs"][1]["ts_utc_us"],
        "act": "model.load",
        "subject": "lab/a",
        "model": "lab/a",
        "actor": "key:1",
        "person": "p-1",
        "outcome": "loaded",
        "plan": None,
    }
    assert answer["runs"][0]["code"] == "does_not_fit"
    assert (answer["next"], answer["total"], answer["size"]) == (None, 2, 4)
    assert reads == [("key:1", "runs", "")]


async def test_every_filter_narrows_the_list(
    asking: Runs, ledger: Ledger, recorder: RefusalRecorder, clock: FixedClock
) -> None:
    a = loaded(ledger, "lab/a", budget=3 * GIB)
    clock.advance(86_400 * 2)
    b = loaded(ledger, "lab/b", budget=3 * GIB, outcome="failed")
    refused(recorder, "lab/b", actor=CLIENT)
    by_client = (await listed(asking, actor="key:2"))[0]
    assert await listed(asking, outcome="loaded") == [a]
    assert await listed(asking, model="lab/b") == await listed(asking, subject="lab/b")
    assert await listed(asking, model="lab/b") == [by_client, b]
    assert await listed(asking, person="p-1") == [b, a]
    assert await listed(asking, act="model.load", outcome="failed") == [b]
    assert await listed(asking, act="model_delete") == []
    assert await listed(asking, plan="a" * 64) == []
    assert await listed(asking, since="2027-01-16") == [by_client, b]
    assert await listed(asking, until="2027-01-15") == [a]
    for name in ("act", "outcome", "since"):
        with pytest.raises(InvalidRequest) as wrong:
            await listed(asking, **{name: " "})
        assert wrong.value.param == name


async def test_the_cursor_goes_on_where_a_page_ended(
    asking: Runs, ledger: Ledger, clock: FixedClock
) -> None:
    made = []
    for number in range(7):
        clock.advance(1)
        made.append(loaded(ledger, f"lab/m{number}", budget=GIB))
    found: list[str] = []
    cursor: int | None = 0
    while cursor is not None:
        page = await asking.list(OPERATOR, {}, cursor=cursor, limit=3)
        found += [row["run"] for row in page["runs"]]
        cursor = page["next"]
    assert found == made[::-1]


async def test_an_attempt_that_failed_and_was_answered_as_a_refusal_is_listed_once(
    asking: Runs, ledger: Ledger, recorder: RefusalRecorder
) -> None:
    digest = loaded(ledger, "lab/a", budget=GIB, outcome="failed")
    refusal = ModelTooLarge("No.")
    refusal.run = digest
    recorder.record(OPERATOR, refusal, "lab/a", None)
    answer = await asking.list(OPERATOR, {}, total=True)
    assert [(row["run"], row["seq"]) for row in answer["runs"]] == [(digest, 2)]
    assert answer["total"] == 1
    shown = await asking.show(OPERATOR, digest)
    assert [event["kind"] for event in shown["events"]] == ["load_outcome", "refusal"]


async def test_a_run_is_named_by_digest_its_beginning_or_an_event(
    asking: Runs, ledger: Ledger
) -> None:
    digest = loaded(ledger, "lab/a", budget=GIB)
    for name in (digest, digest[:12], digest.upper(), "1", "2"):
        shown = await asking.show(OPERATOR, name)
        assert shown["digest"] == digest
        assert shown["run"]["inputs"] == {"context": 64}
        assert shown["verify"][0] == "lmx ledger show 2"


@pytest.mark.parametrize("name", ["0" * 64, "abcdef", "99", "123456", "9" * 19 + "a"])
async def test_a_run_that_is_not_there_is_not_found(
    asking: Runs, ledger: Ledger, name: str
) -> None:
    loaded(ledger, "lab/a", budget=GIB)
    with pytest.raises(RunNotFound):
        await asking.show(OPERATOR, name)


@pytest.mark.parametrize("name", ["", "abc", "xyzxyz", "../etc", "0", "-1", "a" * 65, "\u0661"])
async def test_what_can_name_no_run_is_said_to(asking: Runs, name: str) -> None:
    with pytest.raises(InvalidRequest) as wrong:
        await asking.show(OPERATOR, name)
    assert wrong.value.param == "run"


async def test_a_beginning_that_two_runs_share_is_refused(
    asking: Runs, ledger: Ledger, path: Path
) -> None:
    loaded(ledger, "lab/a", budget=GIB)
    loaded(ledger, "lab/b", budget=GIB)
    ledger.settle()
    with closing(foreign_connection(path)) as other, other:
        other.execute("UPDATE ledger_index SET run = 'abcdef' || substr(run, 7) WHERE seq > 1")
    with pytest.raises(InvalidRequest, match="More than one run begins with abcdef"):
        await asking.show(OPERATOR, "abcdef")


@pytest.fixture
def tampered(ledger: Ledger, path: Path) -> tuple[str, Callable[[str], None]]:
    digest = loaded(ledger, "lab/a", budget=GIB)

    def tamper(statement: str) -> None:
        with closing(foreign_connection(path)) as other, other:
            names = other.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall()
            for (name,) in names:
                other.execute(f"DROP TRIGGER {name}")
            other.execute(statement)

    return digest, tamper


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (
            "UPDATE ledger_blob SET bytes = CAST(replace(bytes, 'loaded', 'failed') AS BLOB)",
            "SHA-256",
        ),
        ("UPDATE ledger_blob SET bytes = x''", "SHA-256"),
        ("DELETE FROM ledger_blob", "missing"),
    ],
)
async def test_wrong_bytes_are_said_to_be_wrong(
    asking: Runs, tampered: tuple[str, Callable[[str], None]], statement: str, why: str
) -> None:
    digest, tamper = tampered
    tamper(statement)
    with pytest.raises(EvidenceDamaged, match=why):
        await asking.show(OPERATOR, digest)
    with pytest.raises(EvidenceDamaged, match=why):
        await asking.diff(OPERATOR, digest, digest)


async def test_why_it_was_blocked_when_last_weeks_went_through(
    asking: Runs, ledger: Ledger, recorder: RefusalRecorder, reads: list[tuple[str, str, str]]
) -> None:
    through = loaded(ledger, "lab/a", budget=3 * GIB)
    blocked = refused(recorder, "lab/a")
    found = await asking.diff(OPERATOR, str(blocked), through[:10])
    assert found["sentences"][:4] == [
        "outcome: refused -> loaded",
        "refusal: does_not_fit -> none",
        "why: Does not fit. -> none",
        "budget: 1.00 GiB -> 3.00 GiB",
    ]
    sections = [change["section"] for change in found["changes"]]
    assert sections == sorted(sections, key=["decision", "feasibility", "timings"].index)
    assert found["more"] == 0
    assert (found["a"]["outcome"], found["b"]["outcome"]) == ("refused", "loaded")
    assert reads[-1] == ("key:1", "runs compared", f"a={blocked} b={through[:10]}")
    same = await asking.diff(OPERATOR, through, "2")
    assert (same["sentences"], same["changes"], same["more"]) == ([], [], 0)


async def test_two_plans_are_compared_with_their_runs(asking: Runs, ledger: Ledger) -> None:
    digests = []
    for size in (1, 2):
        plan = b'{"bytes_freed":%d}' % size
        event = load_outcome(1, "lab/a", actor=OPERATOR)
        kept = ledger.runs.attached(
            event,
            Attempt(
                act="model_delete",
                subject="lab/a",
                actor=OPERATOR,
                outcome="done",
                started_us=1,
                ended_us=2,
                plan=hashlib.sha256(plan).hexdigest(),
            ),
        )
        ledger.append(replace(kept, evidence=(*kept.evidence, plan)))
        digests.append(str(kept.data["run"]))
    changes = (await asking.diff(OPERATOR, *digests))["changes"]
    assert {change["path"] for change in changes} == {"plan", "plan_body.bytes_freed"}


@pytest.mark.parametrize(
    ("actor", "refusal"), [(CLIENT, Forbidden), (ADVISOR, Forbidden), (ANONYMOUS, KeyMissing)]
)
async def test_who_may_not_read_runs_is_told_nothing(
    asking: Runs, reads: list[Any], actor: Actor, refusal: type[Exception]
) -> None:
    for asked in (asking.list(actor, {}), asking.show(actor, "1"), asking.diff(actor, "1", "2")):
        with pytest.raises(refusal):
            await asked
    assert reads == []


async def test_what_a_persons_no_ended_is_listed_and_found_as_its_run_says(
    asking: Runs, ledger: Ledger
) -> None:
    attempt = Attempt(
        act="model_delete",
        subject="lab/a",
        actor=OPERATOR,
        outcome="rejected",
        started_us=1,
        ended_us=2,
        inputs={},
    )
    data = {
        "ask": "0badcafe",
        "act": "model_delete",
        "plan": "1" * 64,
        "state": "rejected",
        "person": "p-1",
        "meaning": "Not today.",
        "proof": "0" * 64,
        "self_approved": False,
    }
    event = LedgerEvent(Kind.ASK_DECIDED, OPERATOR, "lab/a", outcome="reject", data=data)
    ledger.append(ledger.runs.attached(event, attempt))
    (row,) = (await asking.list(OPERATOR, {"outcome": "rejected"}))["runs"]
    assert row["outcome"] == "rejected"
    assert (await asking.show(OPERATOR, row["run"]))["run"]["outcome"] == "rejected"
    assert await listed(asking, outcome="revoked") == []
