"""What the use cases of approvals promise the routes and the command line, the fake's too."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.domain.actors import Actor, Role
from app.domain.refusals import (
    AskNotFound,
    AskNotOpen,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    PlanMismatch,
    ProofRequired,
    Refusal,
)
from app.evidence.decision_proof import decision_proof
from tests.fakes.asks import KIND as TOYS
from tests.fakes.asks import open_office
from tests.fakes.governance import KIND as MODELS
from tests.fakes.governance import FakeGovernance

SOLO = frozenset({Role.OPERATOR, Role.APPROVER, Role.AUDITOR})
ASK = {
    *("id", "act", "subject", "params", "state", "meaning", "waits_for", "reason", "plan_hash"),
    *("phrase", "asker", "created_us", "approve_by_us", "execute_by_us", "ended_us", "why"),
    *("run", "again_of"),
}
SHOWN = {"plan", "rendered", "typed_hint", "decisions", "needed", "drift", "you"}
OUTSIDERS = [
    Actor(f"key:{role}", role, frozenset({role}), person)
    for role, person in ((Role.CLIENT, None), (Role.ADVISOR, None), (Role.CLIENT, "p-00000009"))
]


@dataclass
class Governed:
    """One implementation, its one person, and something to ask for."""

    governance: Any
    person: Actor
    secret: str
    act: str
    params: Mapping[str, Any]

    async def asked(self, reason: str = "Old.") -> dict[str, Any]:
        made: dict[str, Any] = await self.governance.ask(self.person, self.act, self.params, reason)
        return made

    async def decide(self, ask: str, decision: str, **changed: Any) -> dict[str, Any]:
        shown = await self.governance.show(self.person, ask)
        proof = decision_proof(
            hashlib.sha256(self.secret.encode()).digest(),
            decision=decision,
            plan_hash=shown["plan_hash"],
            challenge=shown.get("challenge", "none"),
        )
        word = {
            "plan_hash": shown["plan_hash"],
            "challenge": shown.get("challenge", "none"),
            "proof": proof.hex(),
            "confirmation": shown["typed_hint"] if decision == "approve" else None,
            "reason": "" if decision == "approve" else "No.",
        }
        decided: dict[str, Any] = await self.governance.decide(
            self.person, ask, decision, **word | changed
        )
        return decided


@pytest.fixture(params=["fake", "real"])
def governed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Governed]:
    if request.param == "fake":
        person = Actor("key:operator", "operator", SOLO, "p-00000001")
        fake = FakeGovernance(secrets={person.id: "secret"})
        yield Governed(fake, person, "secret", MODELS, {"model": "lab/echo"})
        return
    office = open_office(tmp_path / "home")
    secret = office.secrets["owner"]
    yield Governed(office.governance, office.owner, secret, TOYS, {"name": "toys"})
    office.close()


async def test_an_ask_is_a_document_with_its_plan_as_people_see_it(governed: Governed) -> None:
    made = await governed.asked("Not \u202eneeded.")
    assert made.keys() >= ASK | SHOWN
    assert (made["state"], made["reason"]) == ("pending", "Not \u202eneeded.")
    content = orjson.dumps(made["plan"], option=orjson.OPT_SORT_KEYS)
    assert hashlib.sha256(content).hexdigest() == made["plan_hash"]
    assert made["typed_hint"] == f"{made['phrase']} {made['plan_hash'][-6:]}"
    assert made["rendered"][-1] == f"  {made['typed_hint']}"
    assert "  | Not \\u202eneeded." in made["rendered"]
    assert made["you"] == {
        "may_approve": True,
        "why_not": "",
        "may_execute": True,
        "asked": True,
    }


async def test_it_is_shown_as_wide_and_as_whole_as_asked_for(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    narrow = await governed.governance.show(governed.person, ask, width=40)
    assert max(map(len, narrow["rendered"])) <= 40
    whole = await governed.governance.show(governed.person, ask, whole=True)
    assert len("".join(whole["rendered"])) > len("".join(narrow["rendered"]))


async def test_its_beginning_names_it_and_nothing_else_does(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    assert (await governed.governance.show(governed.person, ask[:3]))["id"] == ask
    for other in ("zzz", ask[:2], ask + "0"):
        with pytest.raises(AskNotFound):
            await governed.governance.show(governed.person, other)


async def test_what_waits_is_listed_with_what_is_at_stake(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    page = await governed.governance.list(
        governed.person, state="open", act=governed.act, subject=None, cursor=None, limit=5
    )
    assert page["next"] is None
    (row,) = page["asks"]
    assert row["id"] == ask
    assert row["irreversible"] is True
    assert row["bytes_freed"] > 0
    await governed.governance.withdraw(governed.person, ask)
    empty = await governed.governance.list(
        governed.person, state="open", act=None, subject=None, cursor=None, limit=5
    )
    assert empty["asks"] == []
    with pytest.raises(InvalidRequest):
        await governed.governance.list(
            governed.person, state="nowhere", act=None, subject=None, cursor=None, limit=5
        )


async def test_what_was_done_in_part_still_is_open(tmp_path: Path) -> None:
    office = open_office(tmp_path / "home")
    office.toy.stuck = {"a"}
    ask = office.approved()
    await office.execute(ask)
    page = await office.governance.list(office.owner, state="open")
    assert [(row["id"], row["state"]) for row in page["asks"]] == [(ask.id, "partial")]
    office.close()


async def test_it_is_approved_and_executed_once(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    assert (await governed.decide(ask, "approve"))["state"] == "approved"
    done = await governed.governance.execute(governed.person, ask)
    assert done.keys() == {"ask", "effect", "answer"}
    assert done["effect"].keys() == {
        *("outcome", "freed_bytes", "files", "failed", "reason", "data")
    }
    assert (done["ask"]["state"], done["effect"]["outcome"]) == ("done", "done")
    with pytest.raises(AskNotOpen):
        await governed.governance.execute(governed.person, ask)
    with pytest.raises(AskNotOpen):
        await governed.decide(ask, "approve")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"plan_hash": "0" * 64}, PlanMismatch),
        ({"proof": "0" * 64}, ProofRequired),
        ({"challenge": "0" * 32}, ProofRequired),
        ({"confirmation": "yes"}, ConfirmationRequired),
        ({"confirmation": None}, ConfirmationRequired),
    ],
)
async def test_what_is_not_quite_right_approves_nothing(
    governed: Governed, changed: dict[str, Any], refusal: type[Refusal]
) -> None:
    ask = (await governed.asked())["id"]
    if changed.get("challenge"):
        await governed.governance.show(governed.person, ask)
    with pytest.raises(refusal):
        await governed.decide(ask, "approve", **changed)
    assert (await governed.governance.show(governed.person, ask))["state"] == "pending"
    with pytest.raises(AskNotOpen):
        await governed.governance.execute(governed.person, ask)


async def test_a_no_needs_a_reason_and_ends_it(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    with pytest.raises(InvalidRequest):
        await governed.decide(ask, "reject", reason=" ")
    rejected = await governed.decide(ask, "reject", reason="It is needed.")
    assert (rejected["state"], rejected["why"]) == ("rejected", "It is needed.")
    assert "challenge" not in rejected


async def test_a_veto_stops_what_was_approved_and_nothing_else(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    with pytest.raises(AskNotOpen):
        await governed.decide(ask, "veto")
    await governed.decide(ask, "approve")
    assert (await governed.decide(ask, "veto"))["state"] == "revoked"
    with pytest.raises(AskNotOpen):
        await governed.governance.execute(governed.person, ask)


async def test_it_is_asked_again_once_it_ended(governed: Governed) -> None:
    ask = (await governed.asked())["id"]
    with pytest.raises(AskNotOpen):
        await governed.governance.again(governed.person, ask)
    await governed.governance.withdraw(governed.person, ask)
    again = await governed.governance.again(governed.person, ask)
    assert (again["state"], again["reason"]) == ("pending", "Old.")
    assert again["id"] != ask
    assert again["plan_hash"] != (await governed.governance.show(governed.person, ask))["plan_hash"]


async def test_the_kinds_are_listed(governed: Governed) -> None:
    kinds = await governed.governance.acts(governed.person)
    assert governed.act in [kind["act"] for kind in kinds]
    assert all(kind.keys() >= {"act", "meaning", "phrase", "permission"} for kind in kinds)


@pytest.mark.parametrize("outsider", OUTSIDERS, ids=lambda actor: f"{actor.name} {actor.person}")
async def test_clients_and_advisors_can_do_nothing_here(
    governed: Governed, outsider: Actor
) -> None:
    ask = (await governed.asked())["id"]
    uses = governed.governance
    word = {"plan_hash": "0" * 64, "confirmation": "yes", "challenge": "c", "proof": "0" * 64}
    for attempt in (
        uses.ask(outsider, governed.act, governed.params),
        uses.list(outsider, state=None, act=None, subject=None, cursor=None, limit=5),
        uses.show(outsider, ask),
        uses.withdraw(outsider, ask),
        uses.execute(outsider, ask),
        uses.again(outsider, ask),
        uses.acts(outsider),
        *(uses.decide(outsider, ask, d, reason="No.", **word) for d in ("approve", "reject")),
    ):
        with pytest.raises(Forbidden):
            await attempt
    assert (await uses.show(governed.person, ask))["state"] == "pending"
