"""What is pulled is what was planned: verified, published at once, and on record."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.authority.auditing.runs import Runs
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.tiles import StoredTiles
from app.authority.policy.hard import HardPolicy
from app.authority.pulling import Pulling
from app.domain.actors import Actor, Role
from app.domain.refusals import (
    ApprovalUnavailable,
    Forbidden,
    InvalidRequest,
    ModelBusy,
    ModelExists,
    ModelTooLarge,
    PlanStale,
    PolicyDenied,
)
from app.evidence.vocabulary import Kind
from tests.fakes.hub import COMMIT, REPO
from tests.unit.pulling.conftest import OPERATOR, Station

CLIENT = Actor("key:11111111", "client", frozenset({Role.CLIENT}))


def run_of(station: Station, event: Any) -> dict[str, Any]:
    return kept(station, event.data["run"])


def kept(station: Station, digest: str) -> dict[str, Any]:
    """A piece of evidence, by its digest."""
    with station.ledger.readers.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT bytes FROM ledger_blob WHERE digest = ?", (digest,)
        ).scalar_one()
    read: dict[str, Any] = orjson.loads(found)
    return read


async def test_a_plan_says_what_is_sent_where_and_what_comes(station: Station) -> None:
    station.hub.files |= {"README.md": b"hello", "train.py": b"import os", "x.bin": b"\x80\x04"}
    plan = await station.plan()
    assert (plan["repo"], plan["commit"], plan["name"]) == (REPO, COMMIT, REPO)
    assert plan["hosts"][0] == station.hub.url.removeprefix("http://")
    assert any("no token" in sentence for sentence in plan["sent"])
    assert {f["path"]: f["size"] for f in plan["files"]} == {
        path: len(station.hub.files[path])
        for path in (
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json",
        )
    }
    assert plan["left_out"] == ["README.md", "train.py", "x.bin"]
    assert plan["fetch_bytes"] == plan["size_bytes"] == sum(f["size"] for f in plan["files"])
    assert plan["feasibility"]["verdict"] == "fits"
    assert plan["trust"] == "pinned"


async def test_a_plan_reads_no_weights(station: Station) -> None:
    weights = station.hub.files["model.safetensors"]
    await station.plan()
    assert station.hub.content_bytes <= (64 << 10) + len(station.hub.files["config.json"])
    assert len(weights) > 64 << 10
    assert station.quarantine() == []
    assert station.events("pull_intent") == []


async def test_a_pulled_model_is_pinned_recorded_and_can_be_loaded(station: Station) -> None:
    plan = await station.plan()
    steps = await station.pull(plan["plan"])
    done = steps[-1]["done"]
    assert (done["id"], done["trust"]) == (REPO, "pinned")
    assert done["fetched_bytes"] == plan["size_bytes"]
    view = station.catalog.verify(REPO, full=True)
    assert {p.name: p.read_bytes() for p in view.iterdir()} == station.hub.files
    assert station.publishing.origin(REPO) == (REPO, COMMIT)
    assert list((station.store / "downloads").iterdir()) == []


async def test_the_ledger_has_the_intent_before_the_first_byte_and_the_outcome_with_its_run(
    station: Station,
) -> None:
    plan = await station.plan()
    before = station.hub.content_bytes
    seen: list[int] = []
    append = station.ledger.append

    def noted(event: LedgerEvent) -> Any:
        if event.kind is Kind.PULL_INTENT:
            seen.append(station.hub.content_bytes - before)
        return append(event)

    station.ledger.append = noted  # type: ignore[method-assign]
    await station.pull(plan["plan"])
    assert seen == [0]
    intent, outcome = station.last("pull_intent"), station.last("pull_outcome")
    assert intent.data["revision"] == COMMIT
    assert intent.data["size_bytes"] == plan["size_bytes"]
    assert (outcome.outcome, outcome.intent_seq) == ("done", intent.seq)
    assert outcome.data["fetched_bytes"] == plan["size_bytes"]
    run = run_of(station, outcome)
    assert (run["act"], run["outcome"], run["plan"]) == ("model.pull", "done", plan["plan"])
    assert run["inputs"] == {"repo": REPO, "revision": "main", "name": REPO}
    assert kept(station, run["plan"])["files"] == plan["files"]
    assert run["policy"]["outcome"] == "allow"
    assert run["feasibility"]["need"]["total_bytes"] > 0


async def test_two_pulls_are_compared_by_their_plans_and_found_by_them(station: Station) -> None:
    first = await station.plan()
    await station.pull(first["plan"])
    second = await station.plan(name="acme/again")
    await station.pull(second["plan"])
    runs = Runs(station.ledger, StoredTiles(station.ledger.readers).blob, lambda *_: None)
    a, b = (event.data["run"] for event in station.events("pull_outcome"))
    differing = {c["path"] for c in (await runs.diff(OPERATOR, a, b))["changes"]}
    assert {"plan", "plan_body.name", "inputs.name"} <= differing
    (found,) = (await runs.list(OPERATOR, {"plan": second["plan"]}))["runs"]
    assert found["run"] == b


async def test_a_pull_is_about_the_model_that_was_planned_for_this_key(station: Station) -> None:
    plan = (await station.plan(name="acme/new"))["plan"]
    assert station.pulling.subject(OPERATOR, plan) == "acme/new"
    assert station.pulling.subject(CLIENT, plan) == f"pull {plan[:12]}"
    assert station.pulling.subject(OPERATOR, "ab" * 32) == "pull abababababab"


async def test_a_second_pull_of_the_same_revision_moves_no_bytes(station: Station) -> None:
    await station.pull()
    before = station.hub.content_bytes
    plan = await station.plan()
    assert (plan["here_already"], plan["fetch_bytes"]) == (True, 0)
    done = (await station.pull(plan["plan"]))[-1]["done"]
    assert station.hub.content_bytes == before
    assert done["fetched_bytes"] == 0
    assert station.last("pull_outcome").data["fetched_bytes"] == 0


async def test_what_was_here_when_it_was_planned_is_not_fetched_by_that_plan_once_it_is_gone(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    await station.pull()
    before, plan = station.hub.content_bytes, await station.plan()
    assert plan["fetch_bytes"] == 0
    monkeypatch.setattr(station.catalog, "ids", set)
    with pytest.raises(PlanStale, match="not any more"):
        await station.pull(plan["plan"])
    assert station.hub.content_bytes == before
    assert station.last("pull_outcome").outcome == "refused"


async def test_what_another_model_holds_already_is_not_fetched(station: Station) -> None:
    await station.pull()
    before = station.hub.content_bytes
    done = (await station.pull(name="acme/again"))[-1]["done"]
    weights = len(station.hub.files["model.safetensors"])
    assert done["trust"] == "pinned"
    assert done["fetched_bytes"] < weights
    assert station.hub.content_bytes - before < weights + (64 << 10)


async def test_a_revision_that_moves_between_plan_and_pull_changes_nothing(
    station: Station,
) -> None:
    plan = await station.plan()
    old = dict(station.hub.files)
    station.hub.moves_on("d" * 40, {**old, "config.json": b'{"model_type": "other"}'})
    await station.pull(plan["plan"])
    view = station.catalog.verify(REPO)
    assert (view / "config.json").read_bytes() == old["config.json"]
    assert station.publishing.origin(REPO) == (REPO, COMMIT)


async def test_another_revision_does_not_replace_a_model_of_that_name(station: Station) -> None:
    await station.pull()
    other = {**station.hub.files, "generation_config.json": b'{"eos_token_id": 1}'}
    station.hub.moves_on("d" * 40, other)
    with pytest.raises(ModelExists, match="another name"):
        await station.plan()
    assert (await station.pull(name="acme/newer"))[-1]["done"]["id"] == "acme/newer"


async def test_only_an_operator_plans_pulls_and_confirms(station: Station) -> None:
    with pytest.raises(Forbidden):
        await station.pulling.plan(CLIENT, REPO, None, None)
    with pytest.raises(Forbidden):
        await station.pulling.confirm(CLIENT, REPO, None)
    with pytest.raises(Forbidden):
        await anext(aiter(station.pulling.pull(CLIENT, "0" * 64)))
    assert station.hub.heard == []


async def test_a_plan_is_for_whoever_asked_for_it_and_for_a_while(station: Station) -> None:
    plan = (await station.plan())["plan"]
    other = replace(OPERATOR, id="key:99999999")
    with pytest.raises(PlanStale):
        await anext(aiter(station.pulling.pull(other, plan)))
    station.clock.advance(901)
    with pytest.raises(PlanStale, match="again"):
        await station.pull(plan)
    with pytest.raises(PlanStale):
        await station.pull("0" * 64)
    assert station.events("pull_intent") == []


async def test_a_model_that_can_never_fit_is_refused_before_it_is_downloaded(
    station: Station,
) -> None:
    station.memory.total_bytes = 64 << 20
    with pytest.raises(ModelTooLarge, match="never"):
        await station.plan()
    assert station.hub.content_bytes < len(station.hub.files["model.safetensors"])
    assert station.quarantine() == []


async def test_a_model_that_does_not_fit_now_is_pulled_with_that_said(station: Station) -> None:
    held = station.memory.total_bytes
    station.memory._used_bytes = lambda: held - (1 << 20)
    plan = await station.plan()
    assert plan["feasibility"]["verdict"] == "does_not_fit_now"
    assert (await station.pull(plan["plan"]))[-1]["done"]["id"] == REPO


async def test_one_pull_of_a_model_at_a_time(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.drip_s = 0.05  # it would take minutes: nothing ends by itself meanwhile
    pulling = station.pulling.pull(OPERATOR, plan)
    await anext(aiter(pulling))
    with pytest.raises(ModelBusy, match="already"):
        await station.pull(plan)
    await pulling.aclose()  # type: ignore[attr-defined]
    station.hub.drip_s = 0.0
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO


async def test_how_much_is_here_is_told_while_a_model_is_pulled(station: Station) -> None:
    plan = await station.plan()
    assert await station.pulling.fetched_bytes(OPERATOR, REPO) is None
    station.hub.drip_s = 0.05  # it would take minutes: nothing ends by itself meanwhile
    pulling = station.pulling.pull(OPERATOR, plan["plan"])
    await anext(aiter(pulling))
    here = await station.pulling.fetched_bytes(OPERATOR, REPO)
    assert here is not None
    assert 0 <= here <= plan["size_bytes"]
    await pulling.aclose()  # type: ignore[attr-defined]
    assert await station.pulling.fetched_bytes(OPERATOR, REPO) is None
    with pytest.raises(Forbidden):
        await station.pulling.fetched_bytes(CLIENT, REPO)


async def test_a_pull_that_policy_would_deny_is_not_even_planned(station: Station) -> None:
    pulling = Pulling(replace(station.ports, policy=HardPolicy(require_signature=True)))
    with pytest.raises(PolicyDenied, match="signature"):
        await pulling.plan(OPERATOR, REPO, None, None)
    assert station.events("pull_intent") == []
    assert station.catalog.list() == []


async def test_what_is_held_already_needs_no_signature_to_be_pulled_again(station: Station) -> None:
    await station.pull()
    pulling = Pulling(replace(station.ports, policy=HardPolicy(require_signature=True)))
    plan = await pulling.plan(OPERATOR, REPO, None, None)
    done = [step async for step in pulling.pull(OPERATOR, plan["plan"])][-1]["done"]
    assert done["fetched_bytes"] == 0


async def test_a_pull_that_needs_an_approval_becomes_an_ask(station: Station) -> None:
    asked: list[Any] = []

    async def ask(needs: Any, request_id: str | None) -> ApprovalUnavailable:
        asked.append((needs.question.act, dict(needs.question.facts), request_id))
        return ApprovalUnavailable("ask 1")

    ports = replace(station.ports, policy=HardPolicy(asks_for=["model_pull"]), asks=ask)
    pulling = Pulling(ports)
    plan = (await pulling.plan(OPERATOR, REPO, None, None))["plan"]
    with pytest.raises(ApprovalUnavailable):
        _ = [step async for step in pulling.pull(OPERATOR, plan, "r-1")]
    assert asked == [("model_pull", {"repo": REPO, "revision": COMMIT, "name": REPO}, "r-1")]
    assert station.events("pull_intent") == []


@pytest.mark.parametrize(
    "repo", ["", "tiny", "a/b/c", "../x", "acme/..", "acme/%2e", "acme/x.git", "a b/c", "é/x"]
)
async def test_what_is_no_repository_is_not_asked_for(station: Station, repo: str) -> None:
    with pytest.raises(InvalidRequest):
        await station.plan(repo)
    assert station.hub.heard == []


@pytest.mark.parametrize("revision", ["", "../main", "a b", "-x", "x" * 201, "a\nb"])
async def test_what_is_no_revision_is_not_asked_for(station: Station, revision: str) -> None:
    with pytest.raises(InvalidRequest):
        await station.plan(revision=revision)
    assert station.hub.heard == []
