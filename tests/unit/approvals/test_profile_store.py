"""The stored rule of approval: tighter at once, looser by an approval under the rule as it is."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.approvals.profile_store import Profiles
from app.authority.approvals.profiles import SOLO, ProfileKind, parse
from app.authority.permissions import Permission, grant
from app.domain.actors import SYSTEM
from app.domain.refusals import (
    ApprovalRequired,
    AuditUnavailable,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    PlanStale,
    QuorumImpossible,
    SelfApproval,
)
from tests.fakes.database import foreign_connection
from tests.fakes.governed import Governed, governed
from tests.fakes.warrants import warrant

PHRASE = "yes, require 1 other person"


@pytest.fixture
async def it(tmp_path: Path) -> AsyncIterator[Governed]:
    """Three persons with approvers' keys."""
    with governed(tmp_path / "home") as made:
        await made.hire("ann", "approver")
        await made.hire("bob", "approver", "operator")
        yield made


def groups(it: Governed, *names: str, quorum: int = 1) -> list[dict[str, Any]]:
    persons = [it.office.actor(name).person for name in names]
    return [{"name": "keepers", "persons": persons, "quorum": quorum}]


def again(it: Governed) -> Profiles:
    """As after a restart: nothing is remembered."""
    office = it.office
    return Profiles(office.ledger, office.engine, office.clock, office.keys.approvers)


def test_before_anybody_says_anything_one_person_suffices(it: Governed) -> None:
    assert it.profiles.current() == SOLO == again(it).current()


def test_asking_for_more_holds_at_once_and_is_evidence(it: Governed) -> None:
    saved = it.tighten(1, "owner", "ann", "bob")
    assert (saved.kind, saved.version, saved.needed) == (ProfileKind.DUAL, 1, 1)
    assert saved == it.profiles.current() == again(it).current()
    event = it.office.ledger.events(limit=1000)[-1]
    assert (event.kind, event.actor, event.outcome) == ("profile_changed", it.owner.id, "done")
    assert event.data == {"profile": "dual", "version": 1, "profile_digest": saved.digest}
    with it.office.engine.connect() as connection:
        query = "SELECT bytes FROM ledger_blob WHERE digest = ?"
        blob = connection.exec_driver_sql(query, (saved.digest,)).scalar_one()
    assert parse(blob) == saved


def test_without_the_typed_phrase_the_rule_stays(it: Governed) -> None:
    may = grant(it.owner, Permission.PROFILE_MANAGE)
    for said in (None, "yes", "yes, require 2 other persons"):
        with pytest.raises(ConfirmationRequired, match=PHRASE):
            it.profiles.tighten(may, "dual", groups(it, "owner", "ann"), said)
    assert it.profiles.current() == SOLO


def test_a_rule_that_could_never_be_met_is_not_saved(it: Governed) -> None:
    size = it.office.ledger.size()
    for names, quorum in ((["owner"], 1), (["owner", "ann"], 2), (["owner", "ann", "bob"], 3)):
        with pytest.raises(QuorumImpossible):
            it.tighten(quorum, *names)
    nobody = [{"name": "keepers", "persons": ["p-00000001", "p-00000002"], "quorum": 1}]
    with pytest.raises(QuorumImpossible):
        it.profiles.tighten(grant(it.owner, Permission.PROFILE_MANAGE), "dual", nobody, PHRASE)
    assert (it.profiles.current(), it.office.ledger.size()) == (SOLO, size)


def test_the_same_rule_again_is_refused(it: Governed) -> None:
    it.tighten(1, "owner", "ann")
    with pytest.raises(InvalidRequest, match="that one already"):
        it.tighten(1, "ann", "owner")


@pytest.mark.parametrize("how", ["solo", "fewer", "others", "more"])
def test_a_looser_rule_is_not_had_by_asking_for_a_tighter_one(it: Governed, how: str) -> None:
    it.tighten(1, "owner", "ann") if how == "others" else it.tighten(2, "owner", "ann", "bob")
    before = it.profiles.current()
    kind, wanted = {
        "solo": ("solo", []),
        "fewer": ("dual", groups(it, "owner", "ann", "bob")),
        "others": ("dual", groups(it, "owner", "bob")),
        "more": ("dual", [{**groups(it, "owner", "ann", "bob")[0], "name": "new"}]),
    }[how]
    may = grant(it.owner, Permission.PROFILE_MANAGE)
    for said in (PHRASE, "yes, keep one person", None):
        with pytest.raises(ApprovalRequired):
            it.profiles.tighten(may, kind, wanted, said)
    assert it.profiles.current() == before


async def test_the_rule_as_it_is_decides_whether_it_gets_looser(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    ask = it.ask("profile_loosen", kind="solo")
    with pytest.raises(SelfApproval):
        it.office.decide("owner", ask)
    it.office.decide("ann", ask)
    done = await it.office.execute(ask)
    assert done.effect.data == {"version": 2, "profile": "solo"}
    assert (it.profiles.current().kind, it.profiles.current().version) == (ProfileKind.SOLO, 2)
    event = [e for e in it.office.ledger.events(limit=1000) if e.kind == "profile_changed"][-1]
    assert event.data["ask"] == ask.id


async def test_what_would_loosen_is_made_an_ask(it: Governed) -> None:
    tight = await it.approvers.change_profile(it.owner, "dual", groups(it, "owner", "ann"), PHRASE)
    assert tight["separation_of_duties"].startswith("met")
    with pytest.raises(ApprovalRequired) as refused:
        await it.approvers.change_profile(it.owner, "solo", [], "yes, keep one person")
    assert it.office.parts.asks.get(refused.value.details["ask"]).act == "profile_loosen"
    assert (await it.approvers.profile(it.owner))["kind"] == "dual"


async def test_alone_it_says_that_duties_are_not_apart(it: Governed) -> None:
    found = await it.approvers.profile(it.owner)
    assert found["separation_of_duties"].startswith("NOT MET")
    assert set(found["approvers"]) == it.keys.approvers()


def test_what_does_not_loosen_needs_no_ask(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    with pytest.raises(InvalidRequest, match="needs no approval"):
        it.ask("profile_loosen", kind="dual", groups=groups(it, "owner", "ann"))
    for params in ({}, {"kind": "dual"}, {"kind": "triple"}, {"kind": "solo", "now": True}):
        with pytest.raises(InvalidRequest):
            it.ask("profile_loosen", **params)


async def test_a_rule_that_was_changed_meanwhile_makes_the_plan_stale(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    ask = it.ask("profile_loosen", kind="solo")
    it.office.decide("ann", ask)
    it.tighten(2, "owner", "ann", "bob")
    with pytest.raises(PlanStale):
        await it.office.execute(ask)
    assert it.profiles.current().needed == 2


async def test_what_a_plan_loosens_it_loosens_once(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    effects = dict(it.acts["profile_loosen"].draw({"kind": "solo"}, it.owner).effects)
    held = warrant("profile_loosen", SYSTEM, effects)
    first, second = it.profiles.loosen(held), it.profiles.loosen(held)
    assert first == second == it.profiles.current()
    it.tighten(1, "owner", "ann")
    with pytest.raises(PlanStale):
        it.profiles.loosen(held)


def test_without_a_warrant_nothing_gets_looser(it: Governed) -> None:
    for wrong in (None, grant(it.owner, Permission.PROFILE_MANAGE)):
        with pytest.raises(TypeError):
            it.profiles.loosen(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        it.profiles.loosen(warrant("key_create", it.owner, {}))
    with pytest.raises(TypeError):
        it.profiles.tighten(grant(it.owner, Permission.KEYS_MANAGE), "solo", [], None)
    with pytest.raises(Forbidden):
        grant(it.office.actor("ann"), Permission.PROFILE_MANAGE)


def test_a_rule_that_another_program_wrote_is_no_rule(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    loose = SOLO.bytes.replace(b'"version":0', b'"version":2')
    other = foreign_connection(it.office.home / "lmx.db")
    other.execute("INSERT INTO approval_profile VALUES (2, ?, 1, 'key:00000000')", (loose,))
    for profiles in (it.profiles, again(it)):
        with pytest.raises(AuditUnavailable, match="somebody changed it by other means"):
            profiles.current()


def test_a_rule_that_another_program_took_away_still_holds(it: Governed) -> None:
    it.tighten(1, "owner", "ann", "bob")
    other = foreign_connection(it.office.home / "lmx.db")
    other.execute("DROP TRIGGER approval_profile_no_delete")
    other.execute("DELETE FROM approval_profile")
    for profiles in (it.profiles, again(it)):
        with pytest.raises(AuditUnavailable):
            profiles.current()


@pytest.fixture
def other(it: Governed) -> sqlite3.Connection:
    it.tighten(1, "owner", "ann", "bob")
    return foreign_connection(it.office.home / "lmx.db")


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM approval_profile",
        "UPDATE approval_profile SET document = x'00'",
        "INSERT INTO approval_profile VALUES (3, x'00', 1, 'x')",
        "INSERT INTO approval_profile VALUES (1, x'00', 1, 'x')",
        "INSERT OR REPLACE INTO approval_profile VALUES (1, x'00', 1, 'x')",
        "REPLACE INTO approval_profile VALUES (1, x'00', 1, 'x')",
    ],
)
def test_the_database_itself_keeps_every_profile(other: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="approvals: "):
        other.execute(statement)
