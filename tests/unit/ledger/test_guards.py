"""The database refuses what would change the ledger, whoever asks, over whichever connection."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger
from app.domain.refusals import AuditUnavailable
from tests.fakes import events
from tests.fakes.database import foreign_connection

ID, NEW = "0" * 36, "1" * 36
ROW = f"x'7b7d', x'{'00' * 32}'"


@pytest.fixture
def raw(ledger: Ledger, path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection: no authorizer, SQLite's own defaults, three events."""
    for _ in range(2):
        ledger.append(events.boot("b"))
    connection = foreign_connection(path)
    connection.execute(f"INSERT INTO ledger_event VALUES (3, '{ID}', {ROW})")
    yield connection
    connection.close()


ATTACKS = {
    "update": "UPDATE ledger_event SET body = x'00' WHERE seq = 1",
    "update nothing": "UPDATE ledger_event SET seq = seq WHERE seq = 1",
    "update or replace": "UPDATE OR REPLACE ledger_event SET seq = 1 WHERE seq = 2",
    "update or ignore": "UPDATE OR IGNORE ledger_event SET body = x'00' WHERE seq = 1",
    "delete one": "DELETE FROM ledger_event WHERE seq = 2",
    "delete all": "DELETE FROM ledger_event",
    "cut the tail": "DELETE FROM ledger_event WHERE seq = 3",
    "replace": f"REPLACE INTO ledger_event VALUES (1, '{NEW}', {ROW})",
    "insert or replace": f"INSERT OR REPLACE INTO ledger_event VALUES (1, '{NEW}', {ROW})",
    "replace the last": f"INSERT OR REPLACE INTO ledger_event VALUES (3, '{NEW}', {ROW})",
    "replace by id": f"INSERT OR REPLACE INTO ledger_event VALUES (4, '{ID}', {ROW})",
    "insert or ignore": f"INSERT OR IGNORE INTO ledger_event VALUES (1, '{NEW}', {ROW})",
    "upsert": f"INSERT INTO ledger_event VALUES (1, '{NEW}', {ROW})"
    " ON CONFLICT (seq) DO UPDATE SET body = x'00'",
    "upsert by id": f"INSERT INTO ledger_event VALUES (4, '{ID}', {ROW})"
    " ON CONFLICT (event_id) DO UPDATE SET body = x'00'",
    "gap": f"INSERT INTO ledger_event VALUES (5, '{NEW}', {ROW})",
    "far away": f"INSERT INTO ledger_event VALUES (9223372036854775807, '{NEW}', {ROW})",
    "zero": f"INSERT INTO ledger_event VALUES (0, '{NEW}', {ROW})",
    "negative": f"INSERT INTO ledger_event VALUES (-1, '{NEW}', {ROW})",
    "no number": f"INSERT INTO ledger_event VALUES (NULL, '{NEW}', {ROW})",
    "duplicate id": f"INSERT INTO ledger_event VALUES (4, '{ID}', {ROW})",
    "two at once": f"INSERT INTO ledger_event VALUES (4, '{NEW}', {ROW}), (4, 'x', {ROW})",
    "empty body": f"INSERT INTO ledger_event VALUES (4, '{NEW}', x'', x'{'00' * 32}')",
    "long body": f"INSERT INTO ledger_event VALUES (4, '{NEW}', zeroblob(32769), x'{'00' * 32}')",
    "short leaf": f"INSERT INTO ledger_event VALUES (4, '{NEW}', x'7b7d', x'00')",
    "text for bytes": f"INSERT INTO ledger_event VALUES (4, '{NEW}', '{{}}', x'{'00' * 32}')",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("recursive", ["ON", "OFF"])
def test_nothing_but_the_next_event_gets_in(
    raw: sqlite3.Connection, attack: str, recursive: str
) -> None:
    before = raw.execute("SELECT * FROM ledger_event").fetchall()
    raw.execute(f"PRAGMA recursive_triggers = {recursive}")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute(ATTACKS[attack])
    assert raw.execute("SELECT * FROM ledger_event").fetchall() == before


def test_the_next_event_does(raw: sqlite3.Connection) -> None:
    raw.execute(f"INSERT INTO ledger_event VALUES (4, '{NEW}', {ROW})")


def test_foreign_rows_are_found_out_when_read(raw: sqlite3.Connection, ledger: Ledger) -> None:
    assert [event.intact for event in ledger.events()] == [True, True, False]


VANDALISM = {
    "a dropped trigger": ("DROP TRIGGER ledger_event_no_update", "no_update is missing"),
    "a weaker trigger": (
        (
            "DROP TRIGGER ledger_event_no_delete;"
            "CREATE TRIGGER ledger_event_no_delete BEFORE DELETE ON ledger_event"
            " WHEN OLD.seq > 100 BEGIN SELECT RAISE(ABORT, 'no'); END"
        ),
        "no_delete was altered",
    ),
    "a trigger that swallows events": (
        "CREATE TRIGGER innocent BEFORE INSERT ON ledger_event BEGIN SELECT RAISE(IGNORE); END",
        "innocent was added",
    ),
    "a renamed column": (
        "ALTER TABLE ledger_event RENAME COLUMN leaf TO hash",
        "ledger_event was altered",
    ),
    "an added column": ("ALTER TABLE ledger_event ADD COLUMN x TEXT", "ledger_event was altered"),
    "a recreated table": (
        (
            "CREATE TABLE copy AS SELECT * FROM ledger_event; DROP TABLE ledger_event;"
            "ALTER TABLE copy RENAME TO ledger_event"
        ),
        "ledger_event_next_only is missing",
    ),
    "an edited schema": (
        "PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name LIKE '%no_update'",
        "ledger_event_no_update is missing",
    ),
    "keys that can be edited": ("DROP TRIGGER access_key_revoke_only", "revoke_only is missing"),
}


@pytest.mark.parametrize("act", VANDALISM)
def test_a_guard_that_was_tampered_with_is_named(
    raw: sqlite3.Connection, ledger: Ledger, act: str
) -> None:
    ledger.check_guards()
    statements, named = VANDALISM[act]
    raw.executescript(statements)
    with pytest.raises(AuditUnavailable, match=named):
        ledger.check_guards()


def test_an_event_that_is_swallowed_is_not_acknowledged(
    raw: sqlite3.Connection, ledger: Ledger
) -> None:
    raw.executescript(VANDALISM["a trigger that swallows events"][0])
    with pytest.raises(AuditUnavailable):
        ledger.append(events.boot("b"))
    assert not ledger.available


def test_an_edited_body_is_found_when_read(raw: sqlite3.Connection, ledger: Ledger) -> None:
    raw.executescript("DROP TRIGGER ledger_event_no_update")
    body = ledger.event(1).body.replace(b'"b"', b'"c"')
    raw.execute("UPDATE ledger_event SET body = ? WHERE seq = 1", (body,))
    assert not ledger.event(1).intact
    assert ledger.event(2).intact
    assert ledger.event(1).as_dict()["intact"] is False


def test_a_body_that_is_no_json_any_more_is_shown_as_such(
    raw: sqlite3.Connection, ledger: Ledger
) -> None:
    shown = ledger.event(3)
    raw.executescript("DROP TRIGGER ledger_event_no_update")
    raw.execute("UPDATE ledger_event SET body = x'ff00ff' WHERE seq = 3")
    shown = ledger.event(3)
    assert (shown.kind, shown.actor, shown.intact) == ("unreadable", "", False)


def test_keys_can_only_be_revoked_once(raw: sqlite3.Connection, engine: Engine) -> None:
    raw.execute(
        "INSERT INTO access_key VALUES ('0badcafe', 'n', 'client', ?, 1, 'x', NULL, NULL)",
        (b"0" * 32,),
    )
    before = raw.execute("SELECT * FROM access_key").fetchall()
    for attack in (
        "DELETE FROM access_key",
        "UPDATE access_key SET roles = 'operator'",
        "UPDATE access_key SET roles = 'operator', revoked_us = 1, revoked_by = 'x'",
        (
            "INSERT OR REPLACE INTO access_key SELECT id, name, 'operator', secret_sha256, 1, 'x',"
            " NULL, NULL FROM access_key"
        ),
        "UPDATE OR REPLACE access_key SET secret_sha256 = x'00'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(attack)
        assert raw.execute("SELECT * FROM access_key").fetchall() == before
    raw.execute("UPDATE access_key SET revoked_us = 1, revoked_by = 'x'")
    with pytest.raises(sqlite3.IntegrityError):
        raw.execute("UPDATE access_key SET revoked_us = NULL, revoked_by = NULL")
