"""Decisions are numbered, durable, found by the beginning of their digest, and never changed."""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from app.authority.guardrails.watching.decision_store import CHUNK, Decided, DecisionStore
from app.database import open_engine
from app.domain.refusals import AuditUnavailable
from tests.fakes.database import fresh_database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(fresh_database(tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def store(engine: Engine) -> DecisionStore:
    return DecisionStore(engine)


ADDED = f"INSERT INTO guardrails_decision VALUES (7, 1, 'load', '', '', '', '{'0' * 64}', x'00')"
"""Not the next number."""


def by_other_means(engine: Engine, *statements: str) -> None:
    with closing(sqlite3.connect(str(engine.url.database))) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def decided(
    at_us: int,
    *tasks: str,
    point: str = "load",
    outcome: str = "allow",
    failed: tuple[str, ...] = (),
) -> Decided:
    body = {
        "at_us": at_us,
        "verdicts": [[task, 1, "b"] for task in tasks],
        "errors": [[task, 1, "b"] for task in failed],
        "summaries": [["s", "equals@1", {"values": ["listed"]}, {}]],
    }
    record = orjson.dumps(body)
    digest = hashlib.sha256(record).hexdigest()
    return Decided(at_us, point, "a/b", "key:1", outcome, digest, record)


def test_rows_are_numbered_from_one_and_come_back_as_they_were(store: DecisionStore) -> None:
    first, second = decided(10, "t"), decided(20, "u")
    assert [store.add(first), store.add(second)] == [1, 2]
    rows = list(store.each())
    assert [row[1:] for row in rows] == [tuple(first), tuple(second)]
    assert all(row.intact for row in rows)
    assert rows[0].body["at_us"] == 10


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE guardrails_decision SET outcome = 'block'",
        "DELETE FROM guardrails_decision",
        ADDED,
    ],
)
def test_nothing_that_was_decided_is_changed(
    store: DecisionStore, engine: Engine, statement: str
) -> None:
    store.add(decided(1))
    with pytest.raises(DatabaseError), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    assert len(list(store.each())) == 1


def test_the_beginning_of_a_digest_finds_it_and_two_are_too_many(store: DecisionStore) -> None:
    rows = [decided(n) for n in range(40)]
    for row in rows:
        store.add(row)
    assert [found.at_us for found in store.find(rows[3].digest[:16])] == [3]
    assert len(store.find("")) == 2
    assert store.find("0" * 64) == []
    store.add(rows[3])
    assert [found.seq for found in store.find(rows[3].digest)] == [4]


def test_a_page_is_the_newest_first_and_goes_on_where_it_ended(store: DecisionStore) -> None:
    for n in range(1, 8):
        store.add(
            decided(n, point="load" if n % 2 else "tick", outcome="block" if n > 4 else "allow")
        )
    assert [row.seq for row in store.page(limit=3)] == [7, 6, 5]
    assert [row.seq for row in store.page(before=5, limit=3)] == [4, 3, 2]
    assert [row.seq for row in store.page(point="tick")] == [6, 4, 2]
    assert [row.seq for row in store.page(point="load", outcome="block")] == [7, 5]


def test_decisions_of_a_task_are_those_that_asked_it(store: DecisionStore) -> None:
    for n in range(1, 10):
        asked = ("mine", "other") if n in (2, 8) else ("mine-too", "other")
        store.add(decided(n, *asked, failed=("mine",) if n == 5 else ()))
    assert [row.seq for row in store.page(task="mine", limit=2)] == [8, 5]
    assert [row.seq for row in store.page(task="mine", before=5, limit=2)] == [2]
    assert store.page(task="listed") == []  # a value of a condition is no task


def test_each_goes_over_every_decision_of_a_time(store: DecisionStore) -> None:
    for n in range(CHUNK + 10):
        store.add(decided(n))
    assert [row.at_us for row in store.each()] == list(range(CHUNK + 10))
    assert [row.at_us for row in store.each(since_us=3, until_us=6)] == [3, 4, 5]
    assert [row.at_us for row in store.each(limit=2)] == [0, 1]
    assert list(store.each(since_us=10_000)) == []


def test_digests_stop_at_the_first_row_of_the_hour_that_runs(store: DecisionStore) -> None:
    rows = [decided(at_us) for at_us in (10, 20, 31, 25)]
    for row in rows:
        store.add(row)
    assert store.digests(0, 30, 40) == (2, [rows[0].digest, rows[1].digest])
    assert store.digests(2, 40, 50) == (4, [rows[2].digest, rows[3].digest])


def test_a_row_that_was_altered_by_other_means_is_not_intact(
    store: DecisionStore, engine: Engine
) -> None:
    store.add(decided(1, "t"))
    by_other_means(
        engine,
        "DROP TRIGGER guardrails_decision_no_update",
        "UPDATE guardrails_decision SET record = x'7b7d'",
    )
    (row,) = store.each()
    assert not row.intact


def test_without_its_table_nothing_is_said_to_be_kept(store: DecisionStore, engine: Engine) -> None:
    by_other_means(engine, "DROP TABLE guardrails_decision")
    with pytest.raises(AuditUnavailable):
        store.add(decided(1))
    with pytest.raises(AuditUnavailable):
        store.page()
