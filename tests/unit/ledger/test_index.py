"""The index is derived: the same bodies give the same rows, whatever happened to it."""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger
from app.authority.ledger import index as the_index
from app.authority.ledger.index import Rebuilt, catch_up, rebuild, rebuild_of
from app.domain.actors import Actor, Role
from app.domain.refusals import AuditUnavailable
from app.evidence.indexing import COLUMNS, index_row
from tests.fakes.database import foreign_connection
from tests.fakes.events import load_intent, load_outcome
from tests.fakes.ledger import new_ledger

SOMEBODY = Actor("key:0badcafe", "n", frozenset({Role.CLIENT, Role.AUDITOR}), "p1")
ALL = f"SELECT {', '.join(COLUMNS)} FROM ledger_index ORDER BY seq"

VANDALISM = [
    "UPDATE ledger_index SET actor = 'somebody else'",
    "UPDATE ledger_index SET reason = NULL, model = 'x' WHERE seq = 2",
    "UPDATE ledger_index SET seq = seq + 1000",
    "DELETE FROM ledger_index",
    "DELETE FROM ledger_index WHERE seq > 3",
    f"INSERT INTO ledger_index SELECT seq + 100, {', '.join(COLUMNS[1:])} FROM ledger_index",
    "UPDATE ledger_index SET seq = -seq",
]


def record(ledger: Ledger, count: int = 3) -> None:
    for number in range(count):
        model = f"lab/m{number}"
        intent = ledger.append(load_intent(model, actor=SOMEBODY))
        ledger.append(load_outcome(intent.seq, model, actor=SOMEBODY, request_id=f"r{number}"))
    ledger.settle()


@pytest.fixture(params=[2, 2_000])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_index, "CHUNK", request.param)


def dump(path: Path) -> list[tuple[object, ...]]:
    return foreign_connection(path).execute(ALL).fetchall()


def test_every_row_is_what_its_body_says(ledger: Ledger, path: Path) -> None:
    record(ledger)
    bodies = foreign_connection(path).execute("SELECT body FROM ledger_event ORDER BY seq")
    assert dump(path) == [tuple(index_row(json.loads(body))) for (body,) in bodies]


@pytest.mark.parametrize("statement", VANDALISM)
@pytest.mark.usefixtures("chunk")
def test_made_anew_it_is_the_same_to_the_byte(
    ledger: Ledger, engine: Engine, path: Path, statement: str
) -> None:
    record(ledger)
    before = dump(path)
    foreign_connection(path).execute(statement)
    assert dump(path) != before
    assert rebuild_of(engine).changed > 0
    assert dump(path) == before
    assert rebuild_of(engine) == Rebuilt(size=6, changed=0)
    assert dump(path) == before


def test_appends_go_on_while_it_is_made_anew_and_it_is_never_empty(
    ledger: Ledger, engine: Engine, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(the_index, "CHUNK", 2)
    record(ledger, 5)
    reader = foreign_connection(path)
    steps: list[int] = []

    @contextmanager
    def turn() -> Iterator[sqlite3.Connection]:
        writer = foreign_connection(path)
        writer.execute("BEGIN IMMEDIATE")
        yield writer
        writer.execute("COMMIT")
        steps.append(reader.execute("SELECT count(*) FROM ledger_index").fetchone()[0])
        if len(steps) == 2:
            record(ledger, 1)

    assert rebuild(turn) == Rebuilt(size=12, changed=0)
    assert min(steps) >= 10
    assert len(dump(path)) == 12


def test_appends_from_another_thread_are_indexed_once(
    ledger: Ledger, engine: Engine, path: Path
) -> None:
    def append() -> None:
        record(ledger, 20)

    thread = threading.Thread(target=append)
    thread.start()
    for _ in range(5):
        rebuild_of(engine)
    thread.join()
    ledger.settle()
    assert [row[0] for row in dump(path)] == list(range(1, 41))
    assert rebuild_of(engine).changed == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda body: body[:-1],
        lambda body: b"[]",
        lambda body: b"{}",
        lambda body: body.replace(b'"kind":"load_intent"', b'"kind":7'),
        lambda body: body.replace(b'"subject":"lab/m0"', b'"subject":"\\ud800"'),
        lambda body: body.replace(b'"seq":1', b'"seq":2'),
        lambda body: b"\xff" + body,
    ],
)
def test_a_damaged_body_has_no_row_and_stops_nothing(
    ledger: Ledger, engine: Engine, path: Path, damage: Callable[[bytes], bytes]
) -> None:
    record(ledger)
    raw = foreign_connection(path)
    raw.execute("DROP TRIGGER ledger_event_no_update")
    (body,) = raw.execute("SELECT body FROM ledger_event WHERE seq = 1").fetchone()
    raw.execute("UPDATE ledger_event SET body = ? WHERE seq = 1", (damage(body),))
    rebuild_of(engine)
    assert [row[0] for row in dump(path)] == [2, 3, 4, 5, 6]


@pytest.mark.usefixtures("chunk")
def test_only_rows_that_are_not_as_their_body_says_are_written(
    ledger: Ledger, engine: Engine, path: Path
) -> None:
    record(ledger)
    raw = foreign_connection(path)
    raw.execute("CREATE TABLE written (seq)")
    for change, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
        raw.execute(
            f"CREATE TRIGGER on_{change} AFTER {change} ON ledger_index "
            f"BEGIN INSERT INTO written VALUES ({row}.seq); END"
        )
    assert rebuild_of(engine) == Rebuilt(size=6, changed=0)
    assert raw.execute("SELECT count(*) FROM written").fetchone() == (0,)
    raw.execute("UPDATE ledger_index SET actor = 'x' WHERE seq = 3")
    raw.execute("DELETE FROM written")
    assert rebuild_of(engine) == Rebuilt(size=6, changed=1)
    assert set(raw.execute("SELECT seq FROM written")) == {(3,)}


@pytest.mark.usefixtures("chunk")
def test_trees_that_lost_their_rows_are_made_anew_though_each_row_is_right(
    ledger: Ledger, engine: Engine, path: Path
) -> None:
    record(ledger)
    before = dump(path)
    loads = "SELECT count(*) FROM ledger_index INDEXED BY ledger_index_what WHERE kind = ?"
    _misplace(path, "ledger_index_what", "kind", seq=1)
    assert dump(path) == before
    assert foreign_connection(path).execute(loads, ("load_intent",)).fetchone() == (2,)
    assert rebuild_of(engine) == Rebuilt(size=6, changed=6)
    assert dump(path) == before
    after = foreign_connection(path)
    assert after.execute(loads, ("load_intent",)).fetchone() == (3,)
    assert after.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert rebuild_of(engine) == Rebuilt(size=6, changed=0)
    record(ledger, 1)
    assert len(dump(path)) == 8


def _misplace(path: Path, index: str, column: str, *, seq: int) -> None:
    """Have `index` hold another value of `column` than the row has."""
    find = f"SELECT type, name, tbl_name, rootpage, sql FROM sqlite_master WHERE name = '{index}'"
    set_to = f"UPDATE ledger_index SET {column} = ? WHERE seq = ?"
    (right,) = (
        foreign_connection(path)
        .execute(f"SELECT {column} FROM ledger_index WHERE seq = ?", (seq,))
        .fetchone()
    )
    raw = foreign_connection(path)
    raw.execute(set_to, ("elsewhere", seq))
    entry = raw.execute(find).fetchone()
    raw.execute("PRAGMA writable_schema = ON")
    raw.execute(f"DELETE FROM sqlite_master WHERE name = '{index}'")
    foreign_connection(path).execute(set_to, (right, seq))  # knows nothing of that index
    raw.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", entry)


def test_what_is_missing_is_caught_up_with_once(ledger: Ledger, path: Path) -> None:
    record(ledger)
    before = dump(path)
    raw = foreign_connection(path)
    raw.execute("DELETE FROM ledger_index WHERE seq > 1")
    assert dump(path) == before[:1]
    for _ in range(2):
        catch_up(raw)
        assert dump(path) == before


def test_a_start_fills_an_index_that_was_lost(ledger: Ledger, engine: Engine, path: Path) -> None:
    record(ledger)
    before = dump(path)
    ledger.close()
    foreign_connection(path).execute("DELETE FROM ledger_index")
    again = new_ledger(engine)
    assert len(again.events(kind="load_intent")) == 3
    assert dump(path)[: len(before)] == before


def test_a_database_that_fails_is_a_sentence(ledger: Ledger, engine: Engine, path: Path) -> None:
    record(ledger)
    foreign_connection(path).execute(
        "CREATE TRIGGER t BEFORE DELETE ON ledger_index BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    foreign_connection(path).execute("UPDATE ledger_index SET actor = 'x' WHERE seq = 3")
    with pytest.raises(AuditUnavailable):
        rebuild_of(engine)
