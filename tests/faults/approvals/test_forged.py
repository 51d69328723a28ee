"""What another program writes into the database, and old approvals, let nothing be executed."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
import pytest

from app.authority.approvals.transitions import ENDED
from app.authority.approvals.values import Ask
from app.domain.refusals import (
    AskExpired,
    AskNotOpen,
    AuditUnavailable,
    PlanMismatch,
    PlanStale,
    ProofRequired,
    Refusal,
    StartRefused,
)
from app.evidence.merkle import leaf_hash
from tests.fakes.asks import Office
from tests.fakes.database import foreign_connection
from tests.fakes.tampering import unguarded

APPROVAL = (
    "INSERT INTO approval (ask, plan, decision, key_id, person, meaning, challenge, proof,"
    " decided_us) VALUES (?, ?, 'approve', ?, ?, 'yes', 'made up', zeroblob(32), 1)"
)
ALTERED = "not what the ledger recorded"


def execute(office: Office, ask: Ask) -> None:
    asyncio.run(office.execute(ask))


def forge(connection: sqlite3.Connection, office: Office, ask: Ask) -> None:
    """A decision as the program writes them, by the owner, who knows nothing of it."""
    owner = office.owner
    row = (ask.id, ask.plan, owner.id.removeprefix("key:"), owner.person)
    connection.execute(APPROVAL, row)


def say(connection: sqlite3.Connection, ask: Ask, **columns: object) -> None:
    names = ", ".join(f"{name} = ?" for name in columns)
    connection.execute(f"UPDATE ask SET {names} WHERE id = ?", (*columns.values(), ask.id))


@contextmanager
def another_program(office: Office, *, guards: bool) -> Iterator[sqlite3.Connection]:
    """Its connection; without guards they are put back to the letter at the end."""
    if not guards:
        with unguarded(office.home) as connection:
            yield connection
        return
    with closing(foreign_connection(office.home / "lmx.db")) as connection:
        yield connection


def refused(office: Office, ask: Ask, match: str = ALTERED) -> None:
    with pytest.raises(AuditUnavailable, match=match):
        execute(office, ask)
    assert office.toy.performed == []
    assert office.state(ask) == "failed"


# --- a used approval, again ----------------------------------------------------------------------


def test_the_same_word_again_does_nothing(office: Office) -> None:
    ask = office.ask()
    word = office.word("owner", ask)
    office.governance.deciding.decide(office.owner, ask.id, word)
    execute(office, ask)
    with pytest.raises((AskNotOpen, ProofRequired)):
        office.governance.deciding.decide(office.owner, ask.id, word)
    with pytest.raises(AskNotOpen):
        execute(office, ask)
    assert len(office.toy.performed) == 1


def test_an_approval_of_one_ask_is_none_of_another_for_the_same(office: Office) -> None:
    word = office.word("owner", office.ask())
    other = office.ask()
    with pytest.raises(PlanMismatch):
        office.governance.deciding.decide(office.owner, other.id, word)
    with pytest.raises(AskNotOpen):
        execute(office, other)


@pytest.mark.parametrize("end", sorted(ENDED))
def test_no_guarded_row_that_ended_is_opened_again(office: Office, end: str) -> None:
    ask = office.approved()
    with another_program(office, guards=False) as connection:
        say(connection, ask, state=end)
    with another_program(office, guards=True) as connection:
        for state in ("approved", "claimed", "pending", "partial", "draft"):
            with pytest.raises(sqlite3.IntegrityError, match="approvals: "):
                say(connection, ask, state=state)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR REPLACE INTO execution_claim SELECT plan, 1, ask, 'x', 1 FROM execution_claim",
        "INSERT INTO execution_claim SELECT plan, 2, ask, 'x', 1 FROM execution_claim",
        "UPDATE execution_claim SET attempt = 2",
        "DELETE FROM execution_claim",
        "DELETE FROM approval",
        "UPDATE approval SET plan = ask",
        "DELETE FROM ask",
        "UPDATE ask SET plan = NULL",
        "UPDATE ask SET execute_by_us = execute_by_us + 1",
    ],
)
def test_guards_keep_what_was_decided_and_claimed(office: Office, statement: str) -> None:
    execute(office, office.approved())
    with (
        another_program(office, guards=True) as connection,
        pytest.raises(sqlite3.IntegrityError, match="approvals: "),
    ):
        connection.execute(statement)


def test_an_older_database_is_refused_and_with_it_the_unused_approval(
    office: Office, tmp_path: Path
) -> None:
    ask = office.approved()
    before = tmp_path / "before.db"
    with closing(sqlite3.connect(office.home / "lmx.db")) as connection:
        connection.execute("VACUUM INTO ?", (str(before),))
    execute(office, ask)
    office.close()
    for name in ("lmx.db-wal", "lmx.db-shm"):
        (office.home / name).unlink(missing_ok=True)
    shutil.copy(before, office.home / "lmx.db")
    with pytest.raises(StartRefused, match="older than what this server has signed"):
        office.reopened()


def test_a_whole_home_put_back_has_its_approval_until_the_deadline_and_no_longer(
    office: Office, tmp_path: Path
) -> None:
    """Nothing on this machine remembers: only a witness does, and the time."""
    ask = office.approved()
    office.close()
    shutil.copytree(office.home, tmp_path / "backup")
    again = office.reopened()
    execute(again, ask)
    again.close()
    shutil.rmtree(office.home)
    shutil.copytree(tmp_path / "backup", office.home)
    (office.home / "ledger").chmod(0o700)
    office.toy.state.update(a=1, b=2)
    office.clock.advance(2 * 24 * 3600)
    restored = office.reopened()
    assert restored.state(ask) == "approved"
    with pytest.raises(AskExpired):
        execute(restored, ask)
    restored.close()


# --- forged approvals ----------------------------------------------------------------------------


def test_a_well_formed_approval_that_nobody_gave_passes_the_guards_and_counts_for_nothing(
    office: Office,
) -> None:
    ask = office.ask()
    with another_program(office, guards=True) as connection:
        forge(connection, office, ask)
        say(connection, ask, state="approved")
    assert office.state(ask) == "approved"
    refused(office, ask)


def test_a_forged_approval_does_not_fill_a_quorum(office: Office) -> None:
    ask = office.ask()
    with another_program(office, guards=True) as connection:
        forge(connection, office, ask)
    with pytest.raises(AuditUnavailable, match=ALTERED):
        office.decide("owner", ask)
    assert office.state(ask) == "pending"


@pytest.mark.parametrize("how", ["rejected", "vetoed", "withdrawn", "done", "stale", "expired"])
def test_what_ended_is_not_approved_by_whoever_lifts_the_guards(office: Office, how: str) -> None:
    ask = end(office, how)
    performed = len(office.toy.performed)
    with another_program(office, guards=False) as connection:
        if how == "rejected":
            connection.execute("DELETE FROM approval")
            forge(connection, office, ask)
        connection.execute("DELETE FROM approval WHERE decision <> 'approve'")
        connection.execute("DELETE FROM execution_claim")
        say(connection, ask, state="approved", ended_us=None, why=None, run=None)
    office.toy.state.clear()
    office.toy.state.update(a=1, b=2)
    with pytest.raises((AuditUnavailable, AskExpired)):
        execute(office, ask)
    assert len(office.toy.performed) == performed


def end(office: Office, how: str) -> Ask:
    ask = office.ask()
    if how == "rejected":
        return office.decide("owner", ask, "reject")
    ask = office.decide("owner", ask)
    if how == "vetoed":
        return office.decide("owner", ask, "veto")
    if how == "withdrawn":
        return office.governance.asking.withdraw(office.owner, ask.id)
    if how == "expired":
        office.clock.advance(2 * 24 * 3600)
        office.parts.expire_due()
    elif how == "stale":
        office.toy.state["c"] = 3
        with pytest.raises(PlanStale):
            execute(office, ask)
    else:
        execute(office, ask)
    return ask


@pytest.mark.parametrize(
    "columns",
    [
        {"execute_by_us": 2**52},
        {"asker_person": None},
        {"asker": "key:00000000"},
        {"reason": "another"},
        {"subject": "another"},
        {"phrase": "yes, go on"},
        {"act": "trash_purge"},
        {"created_us": 1},
    ],
)
def test_an_ask_that_was_rewritten_is_neither_approved_nor_executed(
    office: Office, columns: dict[str, object]
) -> None:
    waiting, ask = office.ask(name="waiting"), office.approved()
    with another_program(office, guards=False) as connection:
        if "asker" in columns:
            columns = {**columns, "asker_person": None}
        say(connection, ask, **columns)
        say(connection, waiting, **columns)
    with pytest.raises(Refusal):
        office.decide("owner", waiting)
    assert office.state(waiting) != "approved"
    with pytest.raises(Refusal):
        execute(office, ask)
    assert office.toy.performed == []


def test_an_approval_written_into_the_log_itself_is_under_no_signature(office: Office) -> None:
    """A rejection's event is rewritten into an approval, leaf and all, and the rows with it."""
    ask = office.decide("owner", office.ask(), "reject")
    office.ledger.settle()
    with another_program(office, guards=False) as connection:
        seq, body = connection.execute(
            "SELECT seq, body FROM ledger_event WHERE seq ="
            " (SELECT max(seq) FROM ledger_index WHERE kind = 'ask_decided')"
        ).fetchone()
        fields = orjson.loads(body)
        fields["outcome"], fields["data"]["state"] = "approve", "approved"
        fields["data"]["meaning"] = "yes"
        forged = orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)
        connection.execute(
            "UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = ?",
            (forged, leaf_hash(forged), seq),
        )
        connection.execute("DELETE FROM approval")
        forge(connection, office, ask)
        say(connection, ask, state="approved", ended_us=None, why=None, run=None)
    with pytest.raises(AuditUnavailable):
        execute(office, ask)
    assert office.toy.performed == []
    with pytest.raises(StartRefused):
        office.reopened()


def test_a_server_whose_guards_were_lifted_does_not_start(office: Office) -> None:
    ask = office.ask()
    with another_program(office, guards=True) as connection:
        connection.execute("DROP TRIGGER approval_by_approvers_only")
        connection.execute("DROP TRIGGER approval_of_this_plan_only")
        forge(connection, office, ask)
        say(connection, ask, state="approved")
    refused(office, ask)
    with pytest.raises(StartRefused, match="approval_by_approvers_only"):
        office.reopened()


# --- the bytes of a plan -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["one bit", "no plan", "not JSON", "empty", "gone"])
def test_a_plan_whose_bytes_were_changed_is_not_shown_approved_or_executed(
    office: Office, how: str
) -> None:
    waiting, ask = office.ask(name="waiting"), office.approved()
    content = office.parts.asks.plan_of(ask).bytes
    others = {
        "one bit": content.replace(b'"bytes_freed":3', b'"bytes_freed":2'),
        "no plan": b"[]",
        "not JSON": b"\xff",
        "empty": b"",
    }
    with another_program(office, guards=False) as connection:
        for plan in (waiting.plan, ask.plan):
            if how == "gone":
                connection.execute("DELETE FROM ledger_blob WHERE digest = ?", (plan,))
            else:
                row = (others[how], plan)
                connection.execute("UPDATE ledger_blob SET bytes = ? WHERE digest = ?", row)
    listed = asyncio.run(office.governance.list(office.owner))["asks"]
    assert {row["id"] for row in listed} == {waiting.id, ask.id}
    assert all("not those that were recorded" in row["altered"] for row in listed)
    word = {"plan_hash": waiting.plan, "confirmation": "yes", "challenge": "0" * 32, "proof": "00"}
    with pytest.raises(AuditUnavailable, match="not those that were recorded"):
        asyncio.run(office.governance.show(office.owner, waiting.id))
    with pytest.raises(AuditUnavailable, match="not those that were recorded"):
        asyncio.run(office.governance.decide(office.owner, waiting.id, "approve", **word))
    refused(office, ask, "not those that were recorded")
    assert office.state(waiting) == "pending"
