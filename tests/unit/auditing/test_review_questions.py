"""A review's questions to a real ledger: what is answered, and what of it is recorded."""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority.auditing.questions import Questions
from app.authority.ledger import Ledger
from app.authority.ledger.index import rebuild_of
from app.database import open_engine
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import EventNotFound, Forbidden, KeyMissing, ProofUnavailable
from app.evidence.checkpoints import Checkpoint
from app.evidence.notes import Note
from tests.fakes.clock import FixedClock
from tests.fakes.database import connections_closed, foreign_connection, fresh_database
from tests.fakes.events import load_intent, load_outcome, saying
from tests.fakes.ledger import new_ledger

AUDITOR = Actor("key:a", "a", frozenset({Role.AUDITOR}))
OPERATOR = Actor("key:o", "o", frozenset({Role.OPERATOR}), "p1")
CLIENT = Actor("key:c", "c", frozenset({Role.CLIENT}))


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with connections_closed():
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_database(tmp_path)


@pytest.fixture
def engine(path: Path) -> Engine:
    return open_engine(path)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return new_ledger(engine, FixedClock())


@pytest.fixture
def reads() -> list[tuple[str, str, str]]:
    return []


@pytest.fixture
def asking(ledger: Ledger, engine: Engine, reads: list[tuple[str, str, str]]) -> Questions:
    async def prove(actor: Actor, seq: int) -> dict[str, Any]:
        if seq > 3:
            raise ProofUnavailable("not yet")
        return {"seq": seq, "hashes": []}

    first = ledger.append(load_intent("lab/a", actor=OPERATOR)).seq
    ledger.append(load_outcome(first, "lab/a", actor=OPERATOR))
    ledger.append(saying("no room", actor=OPERATOR))
    return Questions(
        ledger=ledger,
        note_read=lambda actor, what, detail: reads.append((actor.id, what, detail)),
        rebuild=partial(rebuild_of, engine),
        prove=prove,
    )


async def test_a_page_comes_with_its_range_its_checkpoint_and_a_total(
    asking: Questions, reads: list[tuple[str, str, str]]
) -> None:
    answer = await asking.events(AUDITOR, {"model": "lab/a"}, limit=1, total=True)
    assert [event["seq"] for event in answer["events"]] == [1]
    assert (answer["next"], answer["total"], answer["size"]) == (1, 2, 3)
    assert answer["range"]["first_seq"] == answer["range"]["last_seq"] == 1
    assert Checkpoint.parse(Note.parse(answer["checkpoint"]).text).size == 3
    more = await asking.events(AUDITOR, {"model": "lab/a"}, after=1)
    assert [event["seq"] for event in more["events"]] == [2]
    assert more["next"] is None
    assert "total" not in more
    assert reads == [
        ("key:a", "events", "model=lab/a"),
        ("key:a", "events", "model=lab/a after=1"),
    ]


async def test_counts_name_days_and_add_up(asking: Questions) -> None:
    answer = await asking.counts(AUDITOR, {"person": "p1"}, by="day+outcome")
    day = "2027-01-15"
    assert answer["counts"] == [
        {"day": day, "outcome": None, "events": 2},
        {"day": day, "outcome": "loaded", "events": 1},
    ]
    assert answer["total"] == 3
    assert answer["range"]["last_seq"] == 3


async def test_an_event_comes_with_its_run_its_proof_and_commands(asking: Questions) -> None:
    shown = await asking.event(AUDITOR, 2)
    assert shown["seq"] == 2
    assert shown["intact"] is True
    assert [event["seq"] for event in shown["run_events"]] == [1]
    assert shown["proof"] == {"seq": 2, "hashes": []}
    assert "lmx ledger show 2" in shown["verify"]
    alone = await asking.event(AUDITOR, 3)
    assert (alone["run"], alone["run_events"]) == (None, [])


async def test_an_event_without_a_proof_yet_is_shown_all_the_same(
    asking: Questions, ledger: Ledger
) -> None:
    ledger.append(saying("just now"))
    assert (await asking.event(AUDITOR, 4))["proof"] is None
    with pytest.raises(EventNotFound):
        await asking.event(AUDITOR, 99)


@pytest.mark.parametrize(("actor", "refusal"), [(CLIENT, Forbidden), (ANONYMOUS, KeyMissing)])
async def test_who_may_not_read_is_told_nothing(
    asking: Questions, reads: list[object], actor: Actor, refusal: type[Exception]
) -> None:
    for asked in (
        asking.events(actor, {}),
        asking.counts(actor, {}, by="day"),
        asking.event(actor, 1),
        asking.reindex(actor),
    ):
        with pytest.raises(refusal):
            await asked
    assert reads == []


async def test_an_auditor_does_not_make_the_index_anew(asking: Questions) -> None:
    with pytest.raises(Forbidden):
        await asking.reindex(AUDITOR)


async def test_an_altered_index_cannot_make_an_event_look_like_another(
    asking: Questions, path: Path
) -> None:
    await asking.events(AUDITOR, {})
    foreign_connection(path).execute("UPDATE ledger_index SET actor = 'system' WHERE seq = 1")
    answer = await asking.events(AUDITOR, {"actor": "system"})
    assert (answer["events"], answer["index_altered_at"]) == ([], [1])
    made = await asking.reindex(OPERATOR)
    assert made == {"rows": 3, "changed": 1, "event": 4}
    answer = await asking.events(AUDITOR, {"actor": "key:o"})
    assert [event["seq"] for event in answer["events"]] == [1, 2, 3, 4]
    assert "index_altered_at" not in answer
    recorded = answer["events"][-1]
    assert recorded["kind"] == "ledger_reindexed"
    assert recorded["body"]["data"] == {"rows": 3, "changed": 1}


async def test_every_answer_is_plain_values(
    asking: Questions,
) -> None:
    quiet = replace(asking, note_read=lambda *_: None)
    for answer in (
        await quiet.events(AUDITOR, {}, total=True),
        await quiet.counts(AUDITOR, {}, by="actor"),
        await quiet.event(AUDITOR, 1),
    ):
        assert json.loads(json.dumps(answer)) == answer
