"""Changes that meet each other, or a crash, are done once or not at all."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from app.authority.approvals.executing import Executed
from app.authority.approvals.values import Ask
from app.authority.warrants import Warrant
from app.authority.warrants.issuing import issue
from app.domain.refusals import PlanStale
from tests.fakes.guardrails import SHARE, House, edited

LATE = "Block loading a model whose size is above 90 GB"


class Killed(BaseException):
    """As SIGKILL: nothing in the server may catch it."""


async def test_of_two_rebindings_that_were_approved_one_is_done_and_one_is_stale(
    guards: House,
) -> None:
    second, third = [await guards.activated(edited({SHARE: share})) for share in (0.4, 0.36)]
    asks = [guards.ask("rebind", version=version) for version in (second, third)]
    for ask in asks:
        guards.office.decide("owner", ask)
    ended: Sequence[Any] = await asyncio.gather(
        *(guards.office.execute(ask) for ask in asks), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in ended) == ["Executed", "PlanStale"]
    done = [
        version
        for version, each in zip((second, third), ended, strict=True)
        if isinstance(each, Executed)
    ]
    assert [guards.standing.checked().compiled_under["large-models"]] == done
    assert len(guards.standing.store.history("large-models")) == 2


async def test_what_was_approved_before_another_document_was_active_is_stale(
    guards: House,
) -> None:
    ask = guards.ask("add", id="late", intent=LATE)
    guards.office.decide("owner", ask)
    await guards.activated(edited({SHARE: 0.4}))
    with pytest.raises(PlanStale):
        await guards.office.execute(ask)
    assert "late" not in guards.standing.checked().definitions


def warranted(guards: House, ask: Ask, body: bytes | None = None) -> Warrant:
    plan = guards.office.parts.asks.plan_of(ask)
    return issue(
        act=ask.act,
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body) if body is None else orjson.loads(body),
        actor=guards.office.owner,
        intent_seq=1,
    )


@pytest.mark.parametrize("act", ["add", "rebind"])
async def test_what_comes_out_otherwise_than_it_was_approved_is_not_bound(
    guards: House, act: str
) -> None:
    """As after a release that compiles otherwise, put in between a crash and the next start."""
    await guards.activated(edited({SHARE: 0.4}))
    params = {"add": {"id": "late", "intent": LATE}, "rebind": {"version": 2}}[act]
    ask = guards.ask(act, **params)
    plan = guards.plan(ask)
    (target,) = plan["targets"]
    other = orjson.dumps(plan).replace(target["digest"].encode(), b"ab" * 32)
    before = guards.now
    with pytest.raises(PlanStale):
        await guards.office.parts.acts[ask.act].perform(warranted(guards, ask, other))
    assert guards.standing.checked() is before


@pytest.mark.parametrize("act", ["activate", "add", "rebind", "retire"])
async def test_what_changes_between_a_claim_and_its_act_stops_the_act(
    guards: House, act: str
) -> None:
    """Execution draws the plan again before; this is the moment after it looked."""
    await guards.activated(edited({SHARE: 0.4}))
    version = guards.load(edited({SHARE: 0.36})).row.version
    asked: dict[str, dict[str, Any]] = {
        "activate": {"version": version},
        "add": {"id": "late", "intent": LATE},
        "rebind": {"version": 2},
        "retire": {"task": "large-models"},
    }
    ask = guards.ask(act, **asked[act])
    warrant = warranted(guards, ask)
    await guards.does("retire", task="known-sources")
    before = guards.now
    with pytest.raises(PlanStale):
        await guards.office.parts.acts[ask.act].perform(warrant)
    assert guards.standing.checked() is before


async def killed(
    guards: House, ask: Ask, monkeypatch: pytest.MonkeyPatch, write: str, *, committed: bool = True
) -> None:
    """Approve an ask and execute it on a server that dies at this write, before or after it."""
    guards.office.decide("owner", ask)
    store = guards.standing.store
    does = getattr(store, write)

    def dies(*rows: Any) -> None:
        if committed:
            does(*rows)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store, write, dies)
        with pytest.raises(Killed):
            await guards.office.execute(ask)


async def recovered(guards: House, ask: Ask) -> None:
    await guards.office.governance.executing.recover()
    assert guards.office.state(ask) == "done"


@pytest.mark.parametrize("committed", [False, True], ids=["before", "after"])
async def test_a_server_that_is_killed_while_it_binds_has_bound_once_after_its_next_start(
    guards: House, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    ask = guards.ask("add", id="late", intent=LATE)
    await killed(guards, ask, monkeypatch, "bind", committed=committed)
    assert ("late" in guards.standing.checked().definitions) == committed
    await recovered(guards, ask)
    assert guards.standing.checked().definitions["late"].version == 1
    assert [row.ask for row in guards.standing.store.history("late")] == [ask.id]


async def test_a_server_that_is_killed_while_it_activates_has_activated_once(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = guards.load(edited({SHARE: 0.4})).row.version
    ask = guards.ask("activate", version=version)
    await killed(guards, ask, monkeypatch, "add_activation")
    await recovered(guards, ask)
    assert guards.standing.checked().version == version
    assert len(guards.standing.store.activations()) == 2


async def test_a_server_that_is_killed_while_it_retires_has_retired_once(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = guards.ask("retire", task="large-models")
    await killed(guards, ask, monkeypatch, "bind")
    await recovered(guards, ask)
    assert [row.definition for row in guards.standing.store.history("large-models")] == [1, None]
