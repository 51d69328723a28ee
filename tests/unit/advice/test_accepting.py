"""Accepting is the ordinary act or ask of a person: decided, done, and what came of it recorded."""

import asyncio
from typing import Any

import pytest

from app.authority.advice.kept import Kept
from app.authority.advice.measuring import Measuring
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.refusals import (
    AuditUnavailable,
    InvalidRequest,
    ModelNotLoaded,
    ModelTooLarge,
    ProposalEnded,
    Refusal,
)
from app.evidence.runs import Attempt, run
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advised import Advised
from tests.fakes.tampering import unguarded


def outcome_of(advised: Advised, kept: Kept) -> Any:
    (event,) = [e for e in advised.events(Event.ADVICE_OUTCOME) if e.data["proposal"] == kept.id]
    return event


def decision_on(advised: Advised, kept: Kept) -> Any:
    (event,) = [e for e in advised.events(Event.ADVICE_DECIDED) if e.data["proposal"] == kept.id]
    return event


# --- what is done -------------------------------------------------------------------------------


async def test_a_load_is_that_persons_and_an_auditor_finds_its_way(advised: Advised) -> None:
    kept = await advised.accept(await advised.kept("load", "lab/one", context=128, slots=1))

    assert (kept.state, kept.outcome, kept.ask) == ("accepted", "done", None)
    assert str(advised.serving.residency.state("lab/one")) == "ready"
    decision, outcome = decision_on(advised, kept), outcome_of(advised, kept)
    run = advised.run_of(str(kept.run))
    assert (decision.outcome, decision.data["reason"]) == ("accepted", "It looks right.")
    assert (outcome.data["decision_seq"], outcome.data["run"]) == (decision.seq, kept.run)
    assert (run["act"], run["subject"], run["outcome"]) == ("model.load", "lab/one", "loaded")
    assert (run["proposal"], run["actor"]["id"]) == (kept.id, advised.person.id)
    assert run["inputs"]["context"] == 128
    (intent,) = [e for e in advised.events(Event.LOAD_INTENT) if e.subject == "lab/one"]
    assert decision.seq < intent.seq < outcome.seq
    assert intent.data["proposal"] == kept.id


async def test_what_an_accepted_load_evicts_is_the_servers_doing(advised: Advised) -> None:
    await advised.load("lab/two")
    need = await advised.previews.memory.need_bytes("lab/one", 256, 2)
    advised.memory.total_bytes = (need + need // 2) * 100 // 90
    advised.memory._used_bytes = lambda: sum(
        engine.resident_bytes() for engine in advised.host.started if not engine.exited.done()
    )
    kept = await advised.accept(await advised.kept("load", "lab/one"))
    (evicted,) = [e for e in advised.events(Event.UNLOAD_OUTCOME) if e.subject == "lab/two"]
    assert evicted.actor == SYSTEM.id
    assert "proposal" not in advised.run_of(evicted.data["run"])
    assert advised.run_of(str(kept.run))["subject"] == "lab/one"


async def test_what_happens_after_an_accepted_load_has_nothing_to_do_with_it(
    advised: Advised,
) -> None:
    await advised.accept(await advised.kept("load", "lab/one"))
    await advised.cases.execution.unload(advised.person, "lab/one")
    (event,) = advised.events(Event.UNLOAD_OUTCOME)
    assert "proposal" not in advised.run_of(event.data["run"])


@pytest.mark.parametrize(
    ("kind", "target", "change"),
    [
        ("pin", "lab/one", {}),
        ("terms", "lab/one", {"context": 128, "idle_s": 0}),
        ("route", "mine", {"models": ["lab/two", "lab/one"]}),
    ],
)
async def test_what_people_say_of_a_model_is_changed_and_its_run_names_the_proposal(
    advised: Advised, kind: str, target: str, change: dict[str, Any]
) -> None:
    kept = await advised.accept(await advised.kept(kind, target, **change))
    assert kept.outcome == "done"
    run = advised.run_of(str(kept.run))
    assert (run["act"], run["proposal"]) == ("model.change", kept.id)
    own = advised.authority.annotations.own_terms("lab/one")
    assert {
        "pin": advised.authority.catalog.get("lab/one").pinned,
        "terms": (own.context, own.slots, own.idle_s) == (128, None, 0),
        "route": advised.authority.routing.aliases.get("mine") == ("lab/two", "lab/one"),
    }[kind] is True


async def test_what_changes_nothing_is_done_without_a_run(advised: Advised) -> None:
    kept = await advised.accept(await advised.kept("unpin", "lab/one"))
    assert (kept.outcome, kept.run) == ("done", None)


async def test_a_deletion_is_asked_for_and_its_run_leads_back_to_the_proposal(
    advised: Advised,
) -> None:
    kept = await advised.accept(await advised.kept("delete", "lab/one"), reason="Never used.")
    assert (kept.outcome, kept.run) == ("asked", None)
    parts = advised.governed.parts
    ask = parts.asks.get(str(kept.ask))
    assert (ask.act, ask.reason, ask.asker) == ("model_delete", "Never used.", advised.person.id)
    (made,) = advised.events(Event.ASK_MADE)
    assert (made.data["ask"], made.data["proposal"]) == (ask.id, kept.id)

    # From the run of the executed ask: its ask, the ask's proposal, the decision on that.
    await advised.approve_and_execute(ask.id)
    ended = parts.asks.get(ask.id)
    run = advised.run_of(str(ended.run))
    assert (run["outcome"], run["ask"]) == ("done", ask.id)
    (outcome,) = [e for e in advised.events(Event.ADVICE_OUTCOME) if e.data["ask"] == run["ask"]]
    decision = advised.authority.ledger.event(outcome.data["decision_seq"])
    assert (outcome.data["proposal"], decision.data["proposal"]) == (kept.id, kept.id)
    assert decision.data["digest"] == kept.digest
    # And from the proposal to the run.
    measuring = Measuring(advised.authority.ledger, parts.asks, advised.clock)
    assert measuring.run_of(advised.proposals.get(kept.id)) == ended.run


async def test_a_guardrail_is_asked_for_by_the_person(advised: Advised) -> None:
    intent = "Alert when latency is above 3 s"
    kept = await advised.accept(await advised.kept("guardrail", "slow", intent=intent))
    ask = advised.governed.parts.asks.get(str(kept.ask))
    assert (ask.act, ask.asker_person) == ("guardrails_add", advised.person.person)


async def test_a_pull_is_planned_and_asked_for_by_the_commit_that_the_hub_names(
    advised: Advised,
) -> None:
    asked: list[tuple[str, str | None, str | None]] = []

    class Hub:
        async def plan(
            self, actor: Actor, repo: str, revision: str | None, name: str | None
        ) -> dict[str, Any]:
            asked.append((repo, revision, name))
            return {"repo": repo, "commit": "c0ffee" + "0" * 34, "name": repo}

    class Asks:
        async def ask(
            self, actor: Actor, act: str, params: Any, reason: str, request_id: str | None
        ) -> dict[str, Any]:
            assert (act, dict(params)["revision"]) == ("model_pull", "c0ffee" + "0" * 34)
            return {"id": "0a1b2c3d"}

    advised.change_cases(pulls=Hub(), asks=Asks())
    kept = await advised.accept(await advised.kept("pull", "mlx-community/new", revision="v1"))
    assert (asked, kept.ask) == ([("mlx-community/new", "v1", None)], "0a1b2c3d")


# --- what is refused ----------------------------------------------------------------------------


async def test_a_refused_act_is_the_outcome_and_is_raised_as_ever(advised: Advised) -> None:
    kept = await advised.kept("unload", "lab/one")
    with pytest.raises(ModelNotLoaded) as refused:
        await advised.accept(kept)
    assert refused.value.proposal == kept.id
    now = advised.proposals.get(kept.id)
    assert (now.state, now.outcome, now.refusal) == ("accepted", "refused", "model_not_loaded")
    assert outcome_of(advised, kept).data["code"] == "model_not_loaded"

    # Whoever answers records it, as every refusal: its run names the proposal.
    advised.authority.refusals.record(advised.person, refused.value, "lab/one")
    (event,) = advised.events(Event.REFUSAL)
    assert advised.run_of(event.data["run"])["proposal"] == kept.id


async def test_a_load_that_fails_names_the_run_that_it_made(advised: Advised) -> None:
    advised.host.fail_next("the worker ended at once")
    kept = await advised.kept("load", "lab/one")
    with pytest.raises(Refusal) as refused:
        await advised.accept(kept)
    now = advised.proposals.get(kept.id)
    assert (now.outcome, now.refusal, now.run) == ("refused", "load_failed", refused.value.run)
    assert advised.run_of(str(now.run))["proposal"] == kept.id


async def test_what_does_not_fit_is_decided_and_refused(advised: Advised) -> None:
    kept = await advised.kept("load", "lab/one")
    advised.memory.total_bytes = 1 << 20
    with pytest.raises(ModelTooLarge):
        await advised.accept(kept)
    assert decision_on(advised, kept).outcome == "accepted"
    assert advised.events(Event.LOAD_INTENT) == []


async def test_another_digest_is_another_proposal(advised: Advised) -> None:
    kept = await advised.kept("pin", "lab/one")
    with pytest.raises(InvalidRequest) as refused:
        await advised.accept(kept, digest="0" * 64)
    assert refused.value.param == "digest"
    assert advised.events(Event.ADVICE_DECIDED) == []
    assert advised.authority.catalog.get("lab/one").pinned is False


async def test_what_was_decided_or_is_over_cannot_be_accepted(advised: Advised) -> None:
    kept = await advised.kept("pin", "lab/one")
    await advised.accept(kept)
    with pytest.raises(ProposalEnded):
        await advised.accept(kept)
    with pytest.raises(ProposalEnded):
        await advised.accepting.dismiss(advised.person, advised.proposals.get(kept.id), reason="no")

    late = await advised.kept("pin", "lab/two", expires_in_s=3_600)
    advised.clock.advance(3_600)
    with pytest.raises(ProposalEnded):
        await advised.accept(late)
    assert advised.authority.catalog.get("lab/two").pinned is False


async def test_of_two_who_accept_at_once_one_acts(advised: Advised) -> None:
    kept = await advised.kept("purge", "orphans")
    path = advised.home / "store" / "blobs" / "sha256" / "ab" / ("ab" + "0" * 62)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5_000)
    both = await asyncio.gather(advised.accept(kept), advised.accept(kept), return_exceptions=True)
    assert sorted(type(one).__name__ for one in both) == ["Kept", "ProposalEnded"]
    assert len(advised.events(Event.ASK_MADE)) == 1


async def test_a_person_decides_and_nobody_else(advised: Advised) -> None:
    kept = await advised.kept("pin", "lab/one")
    for actor in (
        Actor("key:x", "script", frozenset({Role.OPERATOR})),
        Actor("key:y", "ann", frozenset({Role.APPROVER}), "p-00000009"),
        SYSTEM,
    ):
        with pytest.raises(Refusal) as refused:
            await advised.accept(kept, actor)
        assert refused.value.code == "forbidden"
        with pytest.raises(Refusal):
            await advised.accepting.dismiss(actor, kept, reason="no")
    assert advised.events(Event.ADVICE_DECIDED) == []


async def test_a_row_that_the_ledger_did_not_record_is_not_accepted(advised: Advised) -> None:
    kept = await advised.kept("pin", "lab/one")
    with unguarded(advised.home) as connection:
        connection.execute("UPDATE advice_proposal SET author = 'key:00000009'")
    with pytest.raises(AuditUnavailable, match="not what the ledger recorded"):
        await advised.accept(advised.proposals.get(kept.id))
    assert advised.events(Event.ADVICE_DECIDED) == []


async def test_a_dismissal_is_recorded_with_its_reason_and_nothing_follows(
    advised: Advised,
) -> None:
    kept = await advised.kept("delete", "lab/one")
    now = await advised.accepting.dismiss(advised.person, kept, reason="We need it in May.")
    assert (now.state, now.reason, now.outcome) == ("dismissed", "We need it in May.", None)
    assert decision_on(advised, kept).data["reason"] == "We need it in May."
    assert advised.events(Event.ADVICE_OUTCOME) == []
    assert advised.governed.parts.asks.page(limit=10) == []


# --- runs -----------------------------------------------------------------------------------------


def test_the_bytes_of_a_run_without_advice_are_those_of_before() -> None:
    attempt = Attempt(act="a", subject="s", actor=SYSTEM, outcome="o", started_us=1, ended_us=2)
    made = run(attempt, versions={"lmx": "0"}, boot_id="b")
    assert made.digest == "4c4df4beb2cb7170235024b2302d90e983925b47ab59ffd135102bcede08c5c3"
    assert b"proposal" not in made.bytes
