"""Every edge of the table, legal and illegal, in Python and in the database."""

import re
import sqlite3
from itertools import product

import pytest

from app.authority.approvals.transitions import (
    ENDED,
    MEANINGS,
    OPEN,
    OWNERS,
    TRANSITIONS,
    Cause,
    IllegalTransition,
    State,
    after,
    mermaid,
)
from app.evidence.guarded_schema import EXPECTED
from tests.fakes.asks import Office
from tests.fakes.database import foreign_connection

EDGES = {(was, now) for (was, _), now in TRANSITIONS.items()}


@pytest.mark.parametrize(("state", "cause"), list(product(State, Cause)))
def test_what_the_table_names_follows_and_nothing_else(state: State, cause: Cause) -> None:
    if (state, cause) in TRANSITIONS:
        assert after(state, cause) is TRANSITIONS[state, cause]
    else:
        with pytest.raises(IllegalTransition):
            after(state, cause)


def test_every_state_has_an_owner_a_meaning_and_a_way_in() -> None:
    assert set(OWNERS) == set(MEANINGS) == set(State)
    assert {now for _, now in EDGES} | {State.DRAFT} == set(State)


def test_what_nobody_owns_has_ended_and_all_else_goes_on() -> None:
    goes_on = {was for was, _ in EDGES}
    assert set(State) - goes_on == ENDED
    assert goes_on >= OPEN


def test_every_cause_is_used() -> None:
    assert {cause for _, cause in TRANSITIONS} == set(Cause)


def test_the_diagram_draws_every_edge() -> None:
    for (was, cause), now in TRANSITIONS.items():
        assert f"{was} --> {now}: {cause}" in mermaid()


def test_nothing_is_executed_that_was_not_pending_then_approved_then_claimed() -> None:
    assert {was for was, now in EDGES if now is State.APPROVED} == {State.PENDING}
    assert {was for was, now in EDGES if now is State.CLAIMED} == {State.APPROVED, State.PARTIAL}
    assert {was for was, now in EDGES if now is State.DONE} == {State.CLAIMED}


def test_the_database_knows_the_same_edges(office: Office) -> None:
    connection = foreign_connection(office.home / "lmx.db")
    sql = connection.execute(
        "SELECT sql FROM sqlite_master WHERE name = 'ask_legal_only'"
    ).fetchone()[0]
    connection.close()
    found = {tuple(edge.split()) for edge in re.findall(r"'([a-z_]+ [a-z_]+)'", sql)}
    assert found == {(str(was), str(now)) for was, now in EDGES}


@pytest.mark.parametrize("state", sorted(set(State) - {State.PENDING}))
def test_another_program_cannot_move_a_waiting_ask_past_its_decision(
    office: Office, state: State
) -> None:
    """Ends that do nothing are let through; whatever leads to an act is not."""
    ask = office.ask()
    connection = foreign_connection(office.home / "lmx.db")
    move = "UPDATE ask SET state = ? WHERE id = ?"
    if (State.PENDING, state) in EDGES and state is not State.APPROVED:
        connection.execute(move, (str(state), ask.id))
    else:
        with pytest.raises(sqlite3.IntegrityError, match="approvals"):
            connection.execute(move, (str(state), ask.id))
    connection.close()


ATTACKS = {
    "delete an ask": "DELETE FROM ask",
    "replace an ask": "INSERT OR REPLACE INTO ask SELECT * FROM ask",
    "another plan": "UPDATE ask SET plan = printf('%064d', 0)",
    "another subject": "UPDATE ask SET subject = 'other'",
    "a later deadline": "UPDATE ask SET execute_by_us = execute_by_us + 1",
    "an ask that begins approved": (
        "INSERT INTO ask SELECT 'ffffffff', act, subject, params, reason, 'approved', NULL,"
        " phrase, asker, asker_person, asker_roles, created_us, approve_by_us, execute_by_us,"
        " NULL, NULL, NULL, NULL FROM ask"
    ),
    "a second ask with the same plan": (
        "INSERT INTO ask SELECT 'ffffffff', act, subject, params, reason, 'pending', plan,"
        " phrase, asker, asker_person, asker_roles, created_us, approve_by_us, execute_by_us,"
        " NULL, NULL, NULL, NULL FROM ask"
    ),
    "change a decision": "UPDATE approval SET person = 'x'",
    "delete a decision": "DELETE FROM approval",
    "replace a decision": "INSERT OR REPLACE INTO approval SELECT * FROM approval",
    "a claim again": "INSERT INTO execution_claim SELECT * FROM execution_claim",
    "a claim replaced": "INSERT OR REPLACE INTO execution_claim SELECT * FROM execution_claim",
    "a second attempt": (
        "INSERT INTO execution_claim SELECT plan, 2, ask, by_actor, claimed_us FROM execution_claim"
    ),
    "delete a claim": "DELETE FROM execution_claim",
    "change a claim": "UPDATE execution_claim SET attempt = 7",
    "done becomes approved": "UPDATE ask SET state = 'approved'",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_the_database_refuses_another_program(office: Office, attack: str) -> None:
    await office.execute(office.approved())
    connection = foreign_connection(office.home / "lmx.db")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(ATTACKS[attack])
    connection.close()


def test_the_guards_are_looked_at_before_anything_is_written() -> None:
    assert {"ask", "approval", "execution_claim", "approval_profile", "trash"} <= set(EXPECTED)
