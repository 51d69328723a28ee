"""Keys come and go by what was approved, once, and nobody is two persons by having two keys."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.authority.approvals.profiles import Group, Profile, ProfileKind
from app.authority.keys.people import ADD
from app.authority.permissions import Permission, grant
from app.domain.actors import SYSTEM, Role
from app.domain.refusals import (
    ApprovalRequired,
    AskNotOpen,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    KeyInvalid,
    KeyNotFound,
    PersonNotFound,
    PlanStale,
    PolicyDenied,
    RevisionRequired,
    SelfApproval,
)
from tests.fakes.asks import Toy, open_office
from tests.fakes.governed import Governed, governed
from tests.fakes.warrants import create_key, to_create, warrant


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Governed]:
    with governed(tmp_path / "home") as made:
        yield made


def bytes_on_disk(it: Governed) -> bytes:
    return b"".join(file.read_bytes() for file in it.office.home.rglob("lmx.db*"))


# --- making a key -------------------------------------------------------------------------------


async def test_a_key_is_made_by_what_was_approved_and_its_secret_is_in_no_record(
    it: Governed,
) -> None:
    done = await it.done("key_create", name="bot", roles=["client"])
    secret = done.effect.answer["secret"]
    actor = it.keys.identify_strict(secret)
    assert (str(done.ask.state), actor.name, actor.person) == ("done", "bot", None)
    assert done.effect.data == {"key": actor.id.removeprefix("key:")}
    assert secret.encode() not in bytes_on_disk(it)
    created = next(e for e in it.office.ledger.events(limit=1000) if e.kind == "key_created")
    assert (created.data["ask"], created.data["plan"]) == (done.ask.id, done.ask.plan)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": "bot"},
        {"name": "bot", "roles": "client"},
        {"name": "bot", "roles": [1]},
        {"name": "bot", "roles": []},
        {"name": "bot", "roles": ["root"]},
        {"name": "bot", "roles": ["advisor", "approver"]},
        {"name": "b\u202eot", "roles": ["client"]},
        {"name": 7, "roles": ["client"]},
        {"name": "bot", "roles": ["client"], "secret": "lmx_"},
        {"name": "bot", "roles": ["client"], "person": "p-00000000"},
        {"name": "bot", "roles": ["approver"], "person": ["p-00000000"]},
    ],
)
def test_what_makes_no_key_makes_no_ask(it: Governed, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        it.ask("key_create", **params)
    assert it.office.kinds() == []


def test_a_key_for_nobody_who_is_known_is_not_asked_for(it: Governed) -> None:
    for person in ("p-00000000", "", "key:12345678"):
        with pytest.raises(PersonNotFound):
            it.ask("key_create", name="x", roles=["approver"], person=person)


async def test_a_persons_key_is_the_askers_own_unless_it_says_whose(it: Governed) -> None:
    mine = await it.done("key_create", name="mine", roles=["auditor"])
    assert mine.effect.answer["person"] == it.owner.person
    ann = await it.hire("ann", "approver")
    assert ann.person not in {None, it.owner.person}
    assert it.keys.approvers() == {ann.person, it.owner.person}


async def test_only_who_asked_gets_the_secret(it: Governed) -> None:
    ann = await it.hire("ann", "approver", "operator")
    ask = it.ask("key_create", name="bot", roles=["client"])
    it.office.decide("ann", ask)
    with pytest.raises(Forbidden, match="for who asked"):
        await it.office.execute(ask, ann)
    assert (await it.office.execute(ask)).effect.answer["secret"].startswith("lmx_")


async def test_a_plan_makes_one_key_and_after_a_crash_says_that_its_secret_is_lost(
    it: Governed,
) -> None:
    made = to_create(it.owner, "bot", ["client"], plan_hash="ab" * 32)
    act = it.acts["key_create"]
    first = await act.perform(made)
    again = await act.perform(made)
    assert (again.done, dict(again.answer), again.data) == (True, {}, first.data)
    assert "its secret is lost" in again.reason
    assert len(it.keys.list(grant(it.owner, Permission.KEYS_READ))) == 2


async def test_no_key_is_made_when_nobody_is_there_to_take_its_secret(it: Governed) -> None:
    left = to_create(SYSTEM, "bot", ["client"], plan_hash="ab" * 32)
    effect = await it.acts["key_create"].perform(left)
    assert (effect.outcome, effect.data) == ("failed", {})
    assert it.keys.made_by("ab" * 32) is None


async def test_a_key_of_the_same_name_that_came_meanwhile_makes_the_plan_stale(
    it: Governed,
) -> None:
    first, second = (it.ask("key_create", name="bot", roles=["client"]) for _ in range(2))
    for ask in (first, second):
        it.office.decide("owner", ask)
    await it.office.execute(first)
    with pytest.raises(PlanStale):
        await it.office.execute(second)


# --- ending one ---------------------------------------------------------------------------------


async def test_a_revoked_key_is_refused_at_once_and_cannot_be_revoked_again(it: Governed) -> None:
    await it.hire("ann", "approver")
    secret, ann = it.office.secrets["ann"], it.office.actor("ann")
    key_id = ann.id.removeprefix("key:")
    done = await it.done("key_revoke", key=key_id)
    assert done.effect.outcome == "done"
    with pytest.raises(KeyInvalid, match="was revoked"):
        it.keys.identify_strict(secret)
    for gone in (key_id, "00000000", ""):
        with pytest.raises(KeyNotFound):
            it.ask("key_revoke", key=gone)


async def test_ending_what_has_ended_changes_nothing(it: Governed) -> None:
    await it.hire("ann", "approver")
    ask = it.ask("key_revoke", key=it.office.actor("ann").id.removeprefix("key:"))
    held = warrant("key_revoke", it.owner, it.office.parts.asks.plan_of(ask).body["effects"])
    act = it.acts["key_revoke"]
    await act.perform(held)
    size = it.office.ledger.size()
    assert (await act.perform(held)).outcome == "done"
    assert it.office.ledger.size() == size


async def test_the_last_operators_key_stays(it: Governed) -> None:
    with pytest.raises(Forbidden, match="last operator key"):
        it.ask("key_revoke", key=it.owner.id.removeprefix("key:"))


async def test_a_key_without_which_nothing_could_be_approved_stays(it: Governed) -> None:
    await it.hire("ann", "operator")
    with pytest.raises(RevisionRequired, match="Nobody holds an approver's key"):
        it.ask("key_revoke", key=it.owner.id.removeprefix("key:"))
    bob = await it.hire("bob", "approver")
    it.tighten(1, "owner", "bob")
    with pytest.raises(RevisionRequired, match="nothing could be approved any more"):
        it.ask("key_revoke", key=bob.id.removeprefix("key:"))


# --- two persons --------------------------------------------------------------------------------


async def test_who_asked_cannot_approve_through_a_second_key(it: Governed) -> None:
    await it.hire("ann", "approver")
    second = await it.done("key_create", name="second", roles=["approver", "operator"])
    it.office.secrets["second"] = second.effect.answer["secret"]
    it.tighten(1, "owner", "ann")
    ask = it.ask("key_create", name="bot", roles=["client"])
    for name in ("owner", "second"):
        with pytest.raises(SelfApproval):
            it.office.decide(name, ask)
    other = it.ask("key_create", it.office.actor("second"), name="bot", roles=["client"])
    with pytest.raises(SelfApproval):
        it.office.decide("owner", other)
    assert it.office.state(ask) == it.office.state(other) == "pending"
    it.office.decide("ann", ask)
    assert (await it.office.execute(ask)).effect.outcome == "done"


async def test_two_keys_of_one_person_are_not_two_persons(it: Governed) -> None:
    for name in ("ann", "bob"):
        await it.hire(name, "approver")
    ann = it.office.actor("ann").person
    second = await it.done("key_create", name="ann 2", roles=["approver"], person=ann)
    it.office.secrets["ann 2"] = second.effect.answer["secret"]
    it.tighten(2, "owner", "ann", "bob")
    ask = it.ask("key_create", name="bot", roles=["client"])
    it.office.decide("ann", ask)
    with pytest.raises(AskNotOpen, match="decides once"):
        it.office.decide("ann 2", ask)
    assert it.office.state(ask) == "pending"
    it.office.decide("bob", ask)
    assert it.office.state(ask) == "approved"


async def test_an_approval_ends_with_the_key_it_was_given_with(it: Governed) -> None:
    for name in ("ann", "bob", "cid"):
        await it.hire(name, "approver")
    it.tighten(1, "owner", "ann", "bob", "cid")
    ask = it.ask("key_create", name="bot", roles=["client"])
    it.office.decide("ann", ask)
    key_id = it.office.actor("ann").id.removeprefix("key:")
    await it.done("key_revoke", "bob", key=key_id)
    with pytest.raises(PolicyDenied, match="may not approve any more"):
        await it.office.execute(ask)
    assert it.office.state(ask) == "blocked"


async def test_another_key_of_whoever_approved_does_not_keep_the_approval_alive(
    it: Governed,
) -> None:
    for name in ("ann", "bob"):
        await it.hire(name, "approver")
    it.tighten(1, "owner", "ann", "bob")
    ask = it.ask("key_create", name="bot", roles=["client"])
    it.office.decide("ann", ask)
    ann = it.office.actor("ann")
    await it.done("key_create", "bob", name="new", roles=["approver"], person=ann.person)
    await it.done("key_revoke", "bob", key=ann.id.removeprefix("key:"))
    assert ann.person in it.keys.approvers()
    with pytest.raises(PolicyDenied, match="may not approve any more"):
        await it.office.execute(ask)
    assert it.office.state(ask) == "blocked"


async def test_what_one_approved_alone_is_not_enough_once_two_are_required(it: Governed) -> None:
    await it.hire("ann", "approver")
    ask = it.ask("key_create", name="bot", roles=["client"])
    it.office.decide("owner", ask)
    it.tighten(1, "owner", "ann")
    with pytest.raises(PolicyDenied, match="profile was changed"):
        await it.office.execute(ask)


async def test_behind_a_bots_key_is_who_made_it(it: Governed) -> None:
    bot = await it.done("key_create", name="bot", roles=["client"])
    actor = it.keys.identify_strict(bot.effect.answer["secret"])
    assert actor.person is None
    assert it.keys.answerable(actor) == it.owner.person == it.keys.answerable(it.owner)
    assert it.keys.answerable(SYSTEM) is None


async def test_who_made_a_bots_key_cannot_approve_what_the_bot_asks_for(tmp_path: Path) -> None:
    with closing(open_office(tmp_path / "home", toy=Toy(kind="model_load"))) as office:
        ann = office.hire("ann", "approver")
        office.secrets["bot"] = create_key(office.keys, office.owner, "bot", ["client"]).secret
        persons = frozenset({str(office.owner.person), str(ann.person)})
        office.profile = Profile(ProfileKind.DUAL, (Group("keepers", persons, 1),), 1)
        ask = office.governance.asking.ask(
            office.actor("bot"),
            "model_load",
            {"name": "lab/echo", "on_demand": True},
            "",
            permission=Permission.MODEL_LOAD_JIT,
        )
        with pytest.raises(SelfApproval):
            office.decide("owner", ask)
        assert str(office.decide("ann", ask).state) == "approved"


# --- other ways in ------------------------------------------------------------------------------


async def test_asking_for_a_key_directly_makes_an_ask_and_is_refused(it: Governed) -> None:
    with pytest.raises(ApprovalRequired) as refused:
        await it.approvers.create_key(it.owner, "bot", ["client"], None)
    assert it.office.parts.asks.get(refused.value.details["ask"]).act == "key_create"
    await it.hire("ann", "approver")
    with pytest.raises(ApprovalRequired) as refused:
        await it.approvers.revoke_key(it.owner, it.office.actor("ann").id.removeprefix("key:"))
    assert it.office.parts.asks.get(refused.value.details["ask"]).act == "key_revoke"
    assert it.office.actor("ann").roles == {Role.APPROVER}


# --- people -------------------------------------------------------------------------------------


async def test_a_person_is_named_with_a_typed_phrase_and_holds_no_key(it: Governed) -> None:
    with pytest.raises(ConfirmationRequired, match=ADD) as refused:
        await it.approvers.add_person(it.owner, "Ann Lee", "yes")
    assert "Ann" not in refused.value.message + str(refused.value.details)
    added = await it.approvers.add_person(it.owner, "Ann Lee", ADD)
    assert (added["name"], added["keys"]) == ("Ann Lee", [])
    event = it.office.ledger.events(limit=1000)[-1]
    assert (event.kind, event.actor, event.data["keys"]) == ("person_named", it.owner.id, [])
    assert b"Ann Lee" not in event.body


@pytest.mark.parametrize("name", ["ANN  LEE", "ann lee", "\uff21nn Lee"])
async def test_a_name_that_looks_like_a_known_one_is_refused(it: Governed, name: str) -> None:
    await it.approvers.add_person(it.owner, "Ann Lee", ADD)
    with pytest.raises(InvalidRequest, match="a person of that name"):
        await it.approvers.add_person(it.owner, name, ADD)


@pytest.mark.parametrize("name", ["", " Ann", "A\u202en", "A\nn", "A\u200bn", "x" * 257, "\ud800"])
async def test_a_name_nobody_could_decide_by_is_refused(it: Governed, name: str) -> None:
    with pytest.raises(InvalidRequest):
        await it.approvers.add_person(it.owner, name, ADD)


async def test_only_operators_name_people_and_change_the_profile(it: Governed) -> None:
    ann = await it.hire("ann", "approver", "auditor")
    with pytest.raises(Forbidden):
        await it.approvers.add_person(ann, "Bob", ADD)
    with pytest.raises(Forbidden):
        await it.approvers.change_profile(ann, "solo", [], None)
    assert (await it.approvers.profile(ann))["kind"] == "solo"
