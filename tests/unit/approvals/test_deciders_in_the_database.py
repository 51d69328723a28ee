"""Who may decide is held by SQLite itself, whatever program writes the decision."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.approvals.values import Ask
from tests.fakes.asks import Office, open_office
from tests.fakes.database import foreign_connection

INSERT = (
    "INSERT INTO approval (ask, plan, decision, key_id, person, meaning, challenge, proof,"
    " decided_us) VALUES (?, ?, ?, ?, ?, 'yes', ?, zeroblob(32), ?)"
)
ONLY_APPROVERS = "only a person with an approver's key decides"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = open_office(tmp_path / "home")
    made.hire("ann", "approver")
    made.hire("bot", "client", person="")
    made.hire("adviser", "advisor", person="")
    yield made
    made.close()


@pytest.fixture
def ask(office: Office) -> Ask:
    return office.ask()


def written(
    office: Office,
    ask: Ask,
    name: str,
    *,
    person: str | None = None,
    decision: str = "approve",
    challenge: str = "c",
    late_us: int = 0,
) -> None:
    """Write a decision as another program would, with SQLite's own defaults."""
    actor = office.actor(name)
    values = (
        ask.id,
        ask.plan,
        decision,
        actor.id.removeprefix("key:"),
        person or actor.person or office.owner.person,
        challenge,
        (ask.approve_by_us if late_us else ask.created_us) + late_us,
    )
    foreign_connection(office.home / "lmx.db").execute(INSERT, values)


@pytest.mark.parametrize("decision", ["approve", "reject", "veto"])
@pytest.mark.parametrize("name", ["bot", "adviser"])
def test_a_clients_or_advisors_key_decides_nothing(
    office: Office, ask: Ask, name: str, decision: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, name, decision=decision)


@pytest.mark.parametrize("roles", [("operator",), ("auditor",), ("client", "operator", "auditor")])
def test_a_person_without_the_role_decides_nothing(
    office: Office, ask: Ask, roles: tuple[str, ...]
) -> None:
    office.hire("bob", *roles)
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, "bob")


@pytest.mark.parametrize("roles", [("client",), ("advisor",), ("advisor", "approver")])
def test_a_key_with_a_person_but_not_for_deciding_decides_nothing(
    office: Office, ask: Ask, roles: tuple[str, ...]
) -> None:
    """Such keys are not made by the product; the database does not take its word for that."""
    office.hire("bob", *roles)
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, "bob")


def test_an_approvers_key_of_nobody_decides_nothing(office: Office, ask: Ask) -> None:
    office.hire("robot", "approver", person="")
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, "robot")


def test_a_revoked_key_decides_nothing(office: Office, ask: Ask) -> None:
    ann = office.actor("ann")
    other = foreign_connection(office.home / "lmx.db")
    key_id = ann.id.removeprefix("key:")
    other.execute("UPDATE access_key SET revoked_us = 1, revoked_by = 'x' WHERE id = ?", (key_id,))
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, "ann")


def test_a_key_decides_for_its_own_person_only(office: Office, ask: Ask) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=ONLY_APPROVERS):
        written(office, ask, "ann", person=office.owner.person)


def test_a_person_decides_once_through_whichever_key(office: Office, ask: Ask) -> None:
    office.hire("ann 2", "approver", person=office.actor("ann").person)
    written(office, ask, "ann")
    for name, challenge in (("ann", "d"), ("ann 2", "d"), ("owner", "c")):
        with pytest.raises(sqlite3.IntegrityError, match="decides once"):
            written(office, ask, name, challenge=challenge)


def test_after_the_deadline_nothing_is_approved(office: Office, ask: Ask) -> None:
    for late_us in (1, 1_000_000):
        with pytest.raises(sqlite3.IntegrityError, match="an ask that waits for it"):
            written(office, ask, "ann", late_us=late_us)


def test_what_has_ended_is_not_decided_on(office: Office, ask: Ask) -> None:
    office.decide("owner", ask, "reject")
    for decision in ("approve", "reject", "veto"):
        with pytest.raises(sqlite3.IntegrityError, match="an ask that waits for it"):
            written(office, ask, "ann", decision=decision)


def test_an_approver_may_and_a_decision_stays(office: Office, ask: Ask) -> None:
    written(office, ask, "ann")
    other = foreign_connection(office.home / "lmx.db")
    for statement in (
        "DELETE FROM approval",
        "UPDATE approval SET decision = 'reject'",
        "INSERT OR REPLACE INTO approval SELECT * FROM approval",
        (
            "REPLACE INTO approval (id, ask, plan, decision, key_id, person, meaning, challenge,"
            " proof, decided_us) SELECT id, ask, plan, 'veto', key_id, person, meaning, 'n', proof,"
            " decided_us FROM approval"
        ),
    ):
        with pytest.raises(sqlite3.IntegrityError, match="approvals: "):
            other.execute(statement)
