"""Hours are read as they were written: in order, in part, damaged, and when long nobody looked."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.advice.happened import Refusals
from app.authority.advice.use import LastUse, Written, used
from app.authority.ledger.durations import added, as_text, from_text, from_texts
from tests.fakes.database import foreign_connection, fresh_database

EMPTY = "{}"
DAY_US = 86_400_000_000


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = foreign_connection(fresh_database(tmp_path))
    for model in ("a/b", "c/d"):
        connection.execute(
            "INSERT INTO model (id, digest, trust, size_bytes, architecture, max_context, created,"
            " source, shape_json) VALUES (?, ?, 'pinned', 1, 'llama', 1, 1, 'x', '{}')",
            (model, model.encode().hex().zfill(64)),
        )
    yield connection
    connection.close()


def put(database: sqlite3.Connection, hour: int, model: str = "a/b", **said: Any) -> None:
    row = {
        "hour": hour,
        "model_id": model,
        "name": model,
        "requests": 1,
        "refused": 0,
        "cold": 0,
        "prompt_tokens": 1,
        "completion_tokens": 1,
        "longest_tokens": 2,
        "last_used_us": hour,
        "ttft": EMPTY,
        "duration": EMPTY,
        "waited": EMPTY,
        **said,
    }
    database.execute(
        f"INSERT INTO hour_use ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        tuple(row.values()),
    )


def test_what_is_left_out_are_the_oldest_rows_and_sums_have_them(
    database: sqlite3.Connection,
) -> None:
    for hour in range(10):
        put(database, hour, requests=hour)
        put(database, hour, "c/d", name="chat")
    found = used(database, 2, most=5)
    assert (found.use.models, found.use.names) == (("c/d", "a/b"), ("chat", "a/b"))
    assert found.use.columns["hour"] == "7,8,8,9,9"
    assert found.use.columns["model"] == "0,1,0,1,0"
    assert found.use.columns["name"] == "0,1,0,1,0"
    assert found.use.columns["requests"] == "1,8,1,9,1"
    assert found.use.columns["ttft_p95_ms"] == "null,null,null,null,null"
    assert (found.models["a/b"].requests, found.names["chat"].requests) == (sum(range(2, 10)), 8)


def test_nothing_used_is_no_rows(database: sqlite3.Connection) -> None:
    found = used(database, 0, most=5)
    assert (found.use, found.models, found.names) == (Written(), {}, {})


def test_a_percentile_of_a_model_is_of_all_its_hours_together(
    database: sqlite3.Connection,
) -> None:
    put(database, 1, ttft=as_text({10: 94}))
    put(database, 2, ttft=as_text({40: 5}))
    put(database, 2, ttft=as_text({60: 1}), name="chat")
    found = used(database, 0, most=5)
    assert found.models["a/b"].ttft == {10: 94, 40: 5, 60: 1}
    assert found.models["a/b"].ttft_p95_ms == 861
    assert found.names["chat"].ttft_p95_ms == 27554


def test_damaged_durations_leave_the_rest_as_it_is(database: sqlite3.Connection) -> None:
    put(database, 1, ttft='{"10": 3')
    put(database, 2, ttft='{"x":1,"40":-1,"9999":1,"41":1}')
    put(database, 3, ttft=as_text({12: 2}))
    assert used(database, 0, most=5).models["a/b"].ttft == {10: 3, 41: 1, 12: 2}


def test_the_last_use_before_an_hour_is_known_however_seldom_anybody_looks(
    database: sqlite3.Connection,
) -> None:
    last = LastUse()
    assert dict(last.before(database, 0)) == {}
    put(database, 80)
    put(database, 90)
    assert dict(last.before(database, 90)) == {"a/b": 80}
    put(database, 110, "c/d")
    assert dict(last.before(database, 500)) == {"a/b": 90, "c/d": 110}
    put(database, 50, "e/f")  # of before, which is summed late
    assert last.before(database, 600)["e/f"] == 50


def test_the_last_use_within_the_days_is_that_of_the_sums(database: sqlite3.Connection) -> None:
    put(database, 80)
    put(database, 90)
    put(database, 70, name="chat")
    assert used(database, 75, most=1).models["a/b"].last_used_us == 90
    assert used(database, 75, most=1).names.keys() == {"a/b"}


def test_a_refusal_that_cannot_be_read_is_counted_as_damaged(database: sqlite3.Connection) -> None:
    bodies = [b'{"data":{"code":"queue_full","count":7}}', b"{{", b'{"data":{}}']
    for seq, body in enumerate(bodies, start=1):
        database.execute(
            "INSERT INTO ledger_event (seq, event_id, body, leaf) VALUES (?, ?, ?, ?)",
            (seq, f"{seq:036}", body, bytes([seq]) * 32),
        )
        database.execute(
            "INSERT INTO ledger_index (seq, ts_utc_us, kind, action, actor, roles, subject)"
            " VALUES (?, ?, 'refusal', 'infer', 'anonymous', '', '')",
            (seq, 5 * DAY_US + seq),
        )
    refusals = Refusals()
    counted = ((5, "damaged", 2), (5, "queue_full", 7))
    assert refusals.since(database, 5 * DAY_US) == counted
    assert refusals.since(database, 5 * DAY_US) == counted
    assert refusals.since(database, 6 * DAY_US) == ()


@given(
    st.lists(st.dictionaries(st.integers(0, 128), st.integers(1, 10**6), max_size=6), max_size=20)
)
def test_many_added_up_at_once_are_each_added_up(histograms: list[dict[int, int]]) -> None:
    wanted: dict[int, int] = {}
    for one in histograms:
        added(wanted, from_text(as_text(one)))
    assert from_texts(",".join(map(as_text, histograms))) == wanted
