"""What is handed out names nobody, is made once a minute, and is remembered for what names it."""

import asyncio
import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.advice.evidence import compare
from app.authority.advice.facts import Taken
from app.authority.advice.publishing import KEPT, Publishing
from app.authority.advice.use import Written
from app.authority.keys import Keys
from app.authority.permissions import Permission, grant
from app.domain.advice.proposals import Evidence, Kind, Proposal
from app.domain.advice.snapshot import UseRow, from_plain
from app.domain.refusals import AuditUnavailable, ModelNotFound, ProposalInvalid, Refusal
from tests.fakes.clock import FixedClock
from tests.fakes.lifecycle import OPERATOR
from tests.fakes.snapshots import alias, model, snapshot
from tests.fakes.study import M0, Study, open_study
from tests.models import tiny_model
from tests.unit.keys.conftest import genesis_of

PLANTED = {
    "a prompt": "where are my keys",
    "a person's name": "annalovelace",
    "a note": "ask bertha first",
    "a request id": "request-5f5e1",
    "what a worker said": "no such tensor of carla",
    "what a refusal said": "the model of doris",
}


def small(at_us: int = 1) -> Taken:
    made = snapshot(models={"a/b": model(requests=3)}, aliases={"chat": alias("a/b")})
    of_one = {"hour": "7", "model": "0", "name": "0", "waited_p95_ms": "null"}
    columns = {name: of_one.get(name, "1") for name in UseRow._fields}
    return Taken(replace(made, taken_us=at_us), Written(("a/b",), ("chat",), columns))


class Builder:
    """Builds a snapshot of its own each time, and counts."""

    def __init__(self) -> None:
        self.built = 0
        self.at_once = 0
        self.most_at_once = 0
        self.may_end = threading.Event()
        self.may_end.set()

    def __call__(self) -> Taken:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.may_end.wait(60)
        self.built += 1
        self.at_once -= 1
        return small(self.built)


async def _used_by_anna(study: Study, home: Path) -> list[str]:
    """Everything that must not be told, put wherever it could come from; its words."""
    keys = Keys(study.house.ledger, study.database, clock=study.house.clock)
    person = PLANTED["a person's name"]
    with pytest.MonkeyPatch.context() as patch:  # as before the first event
        patch.setattr(type(study.house.ledger), "size", lambda _: 0)
        keys.ensure_operator_key(
            home / "operator.key", account=person, genesis=genesis_of(study.house.ledger)
        )
    secret = (home / "operator.key").read_text().strip()
    study.actor = keys.identify(secret)
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    study.house.catalog.import_directory(
        may, tiny_model(home / person, seed=7), "test/own", lambda _: None, lambda: False
    )
    change = grant(OPERATOR, Permission.MODEL_CHANGE)
    study.annotations.note(change, M0, PLANTED["a note"])
    for name in ("default", M0, "test/own"):
        await study.ask(name, PLANTED["a prompt"], PLANTED["a request id"])
    study.house.host.fail_next(PLANTED["what a worker said"])
    with pytest.raises(Refusal):
        await study.ask("test/model-2", PLANTED["a prompt"])
    refusal = ModelNotFound(PLANTED["what a refusal said"])
    study.refusals.record(study.actor, refusal, PLANTED["a person's name"], PLANTED["a request id"])
    assert study.actor.person is not None
    assert study.actor.id != "anonymous"
    return [*PLANTED.values(), secret, study.actor.id, study.actor.name, study.actor.person]


async def test_nobody_and_nothing_anybody_said_is_in_what_is_handed_out(tmp_path: Path) -> None:
    async with open_study(tmp_path) as study:
        planted = await _used_by_anna(study, tmp_path)
        body = (await Publishing(study.taken, study.house.clock).now()).body
    assert b'"test/own"' in body
    assert json.loads(body)["models"]["test/own"]["requests"] == 1
    for said in planted:
        parts = {said, said.removeprefix("key:"), said.split("_", 2)[-1]}
        for part in parts:
            assert part.lower().encode() not in body.lower(), said


async def test_what_was_planted_is_in_the_database_so_that_the_search_means_something(
    tmp_path: Path,
) -> None:
    async with open_study(tmp_path) as study:
        planted = await _used_by_anna(study, tmp_path)
        assert study.usage.flush(60)
        stored = b"".join(path.read_bytes() for path in tmp_path.glob("lmx.db*"))
    secret, prompt = planted[len(PLANTED)], PLANTED["a prompt"]
    assert {said for said in planted if said.encode() not in stored} <= {secret, prompt}


async def test_the_digest_is_that_of_the_body_and_the_body_is_canonical() -> None:
    published = await Publishing(small, FixedClock()).now()
    assert hashlib.sha256(published.body).hexdigest() == published.digest
    canonical = json.dumps(
        json.loads(published.body), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    assert canonical.encode() == published.body
    assert published.at_us == 1
    (row,) = from_plain(json.loads(published.body)).use.rows()
    assert (row.hour, row.model, row.name, row.requests) == (7, "a/b", "chat", 1)
    assert row.waited_p95_ms is None


async def test_it_is_made_once_a_minute_however_many_ask() -> None:
    builder, clock = Builder(), FixedClock()
    publishing = Publishing(builder, clock)
    first = await asyncio.gather(*(publishing.now() for _ in range(20)))
    clock.advance(59)
    assert {one.digest for one in first} == {(await publishing.now()).digest}
    assert (builder.built, builder.most_at_once) == (1, 1)
    clock.advance(1)
    assert (await publishing.now()).digest != first[0].digest
    assert builder.built == 2


async def test_one_who_leaves_ends_it_for_nobody_and_begins_no_second_one() -> None:
    builder = Builder()
    publishing = Publishing(builder, FixedClock())
    builder.may_end.clear()
    leaver = asyncio.create_task(publishing.now())
    while not builder.at_once:
        await asyncio.sleep(0)
    leaver.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaver
    waiter = asyncio.create_task(publishing.now())
    await asyncio.sleep(0)
    builder.may_end.set()
    assert (await waiter).at_us == 1
    assert (builder.built, builder.most_at_once) == (1, 1)


async def test_one_that_could_not_be_made_is_tried_again() -> None:
    fails = [True]

    def build() -> Taken:
        if fails.pop() if fails else False:
            raise AuditUnavailable("the disk is gone")
        return small()

    publishing = Publishing(build, FixedClock())
    with pytest.raises(AuditUnavailable):
        await publishing.now()
    assert (await publishing.now()).at_us == 1


async def test_the_last_eight_are_remembered_without_the_use_by_the_hour() -> None:
    clock, builder = FixedClock(), Builder()
    publishing = Publishing(builder, clock)
    digests = []
    for _ in range(KEPT + 2):
        digests.append((await publishing.now()).digest)
        clock.advance(60)
    facts = [publishing.facts(digest) for digest in digests]
    assert facts[:2] == [None, None]
    kept = [one for one in facts if one is not None]
    assert [one["taken_us"] for one in kept] == list(range(3, KEPT + 3))
    assert all("use" not in one for one in kept)
    assert publishing.facts("f" * 64) is None


async def test_evidence_is_found_in_what_is_remembered(tmp_path: Path) -> None:
    async with open_study(tmp_path) as study:
        await study.ask("default")
        publishing = Publishing(study.taken, study.house.clock)
        facts = publishing.facts((await publishing.now()).digest)
    assert facts is not None

    def claims(*field: str, value: int | str | bool | None) -> Proposal:
        evidence = (Evidence(field, value),)
        return Proposal(
            kind=Kind.PIN, target=M0, reason="r", assumes="a", confidence=1, evidence=evidence
        )

    for field, value in {
        ("models", M0, "requests"): 1,
        ("models", M0, "context"): 256,
        ("models", "test/model-1", "last_used_us"): None,
        ("models", M0, "pinned"): False,
        ("aliases", "default", "models", "1"): "test/model-1",
        ("aliases", "default", "source"): "file",
        ("host", "default_slots"): 2,
        ("taken_us",): study.house.clock.utc_us(),
        ("days",): 30,
    }.items():
        compare(claims(*field, value=value), facts)
    with pytest.raises(ProposalInvalid):
        compare(claims("models", M0, "requests", value=2), facts)
