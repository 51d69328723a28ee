"""Questions to the index: what they cover, what they cost, and what they cannot be tricked into."""

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from app.authority.ledger import questions
from app.authority.ledger.choosing import FOR_A_PAGE, FOR_COUNTING, ways
from app.authority.ledger.counting import counts, total
from app.authority.ledger.filters import Filter
from app.authority.ledger.questions import covered, page
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.spans import BLOCK, KnownTimes, Ruler, Run, runs
from tests.fakes.asked_log import START_US, Body, body, indexed, is_like

DAY = 86_400_000_000
HOUR = 3_600_000_000


def refusal(seq: int, reason: str, **said: Any) -> dict[str, Any]:
    data = {"message": reason, "permission": "model.load"}
    return body(seq, kind="refusal", outcome="forbidden", data=data, **said)


@pytest.fixture(scope="module")
def log() -> list[Body]:
    """Five blocks, a clock that jumps a day back once and a year ahead for a while."""
    pick, now, found = random.Random(5), START_US, []
    for seq in range(1, 5 * BLOCK):
        now += pick.randrange(1, 120_000_000)
        now -= DAY if seq == 3 * BLOCK + 70 else 0
        ahead = 365 * DAY if 4_000 < seq < 4_050 else 0
        key = pick.randrange(6)
        roles = [["client"], ["auditor", "client"], ["operator"]][key % 3]
        kind = pick.choice(["load_intent", "refusal", "shutdown", "load_outcome"])
        found.append(
            body(
                seq,
                ts_utc_us=now + ahead,
                kind=kind,
                actor={"id": f"key:{key}", "person": f"p{key % 2}" if key else None}
                | {"roles": roles},
                subject=pick.choice(["lab/a", "lab/b", ""]),
                outcome=pick.choice([None, "done", "failed"]),
                intent_seq=pick.randrange(1, seq + 1) if kind == "load_outcome" else None,
                request_id=f"r{seq}",
                data={"reason": f"needs {pick.randrange(300)} GiB"} if seq % 3 else {},
            )
        )
    return found


@pytest.fixture(scope="module")
def connection(log: list[Body]) -> Iterator[sqlite3.Connection]:
    with closing(indexed(log)) as opened:
        yield opened


ASKED = [
    Filter(),
    Filter(kind="refusal"),
    Filter(kind="load_outcome", outcome="failed"),
    Filter(action="refuse", role="auditor"),
    Filter(actor="key:3", outcome="done"),
    Filter(person="p1", model="lab/a"),
    Filter(role="operator"),
    Filter(run="5000"),
    Filter(request_id="r77"),
    Filter(text="GIB needs 77"),
    Filter(text="needs"),
    Filter(text="needs", actor="key:1"),
    Filter(since_us=START_US + DAY),
    Filter(until_us=START_US + DAY + HOUR),
    Filter(since_us=START_US + 3 * DAY, until_us=START_US + 4 * DAY, kind="refusal"),
    Filter(since_us=START_US + 200 * DAY),
    Filter(since_us=START_US + 2 * DAY, until_us=START_US + 2 * DAY),
]


@pytest.mark.parametrize("wanted", ASKED, ids=str)
@pytest.mark.parametrize("newest_first", [False, True])
def test_over_many_blocks_and_jumps_the_pages_are_what_the_bodies_say(
    log: list[Body], connection: sqlite3.Connection, wanted: Filter, newest_first: bool
) -> None:
    right = [one["seq"] for one in log if is_like(wanted, one)]
    found: list[int] = []
    after: int | None = 0
    reasons = Reasons()
    while after is not None:
        got = page(connection, wanted, reasons, after=after, limit=1_000, newest_first=newest_first)
        found += got.seqs
        after = got.next
    assert found == (right[::-1] if newest_first else right)


@pytest.mark.parametrize("wanted", ASKED, ids=str)
def test_over_many_blocks_and_jumps_the_counts_are_what_the_bodies_say(
    log: list[Body], connection: sqlite3.Connection, wanted: Filter
) -> None:
    right = [one for one in log if is_like(wanted, one)]
    assert total(connection, wanted, Reasons()) == len(right)
    days = Counter((one["ts_utc_us"] // DAY, one["outcome"]) for one in right)
    found = counts(connection, wanted, Reasons(), "day+outcome")
    assert {one.values: one.events for one in found} == days
    assert [one.values for one in found] == sorted(days, key=lambda v: (v[0], v[1] or ""))


def test_a_span_of_time_is_found_without_reading_every_event(
    log: list[Body], connection: sqlite3.Connection
) -> None:
    since, until = START_US + DAY, START_US + 2 * DAY
    parts = runs(connection, Ruler(since, until), len(log))
    inside = [one["seq"] for one in log if since <= one["ts_utc_us"] < until]
    assert [seq for part in parts for seq in range(part.first, part.last + 1)] == inside
    assert runs(connection, Ruler(), len(log)) == [Run(1, len(log), 0)]
    assert runs(connection, Ruler(), 0) == []


def test_what_is_known_of_times_is_only_of_complete_blocks_and_can_be_forgotten(
    log: list[Body],
) -> None:
    known, rulers = KnownTimes(), (Ruler(by_day=True), Ruler(START_US + DAY, START_US + 2 * DAY))
    for size in (1, BLOCK - 2, BLOCK - 1, BLOCK, 3 * BLOCK - 1, 5 * BLOCK - 1, 2 * BLOCK, 10):
        with closing(indexed(log[:size])) as part:
            for ruler in rulers * 2:
                assert runs(part, ruler, size, known) == runs(part, ruler, size)
    with closing(indexed(log)) as part:
        before = runs(part, rulers[0], len(log), known)
        part.execute(f"UPDATE ledger_index SET ts_utc_us = ts_utc_us + {DAY}")
        assert runs(part, rulers[0], len(log), known)[0] == before[0]
        known.forget()
        assert runs(part, rulers[0], len(log), known)[0] == before[0]._replace(
            day=before[0].day + 1
        )


def test_a_page_says_which_part_of_the_log_it_covers(connection: sqlite3.Connection) -> None:
    got = page(connection, Filter(), Reasons(), after=10, limit=5)
    assert (got.seqs, got.next) == ((11, 12, 13, 14, 15), 15)
    span = got.span
    assert (span.first_seq, span.last_seq, span.size) == (11, 15, 5 * BLOCK - 1)
    assert span.first_us is not None
    assert span.last_us is not None
    assert span.first_us < span.last_us


def test_a_rare_meeting_of_common_filters_costs_each_page_little(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "SCATTERED", 50)
    monkeypatch.setattr(questions, "IN_ORDER", 50)
    wanted = Filter(outcome="done", model="lab/a", request_id=None, run="no such run")
    assert page(connection, wanted, Reasons()).next is None  # the run's own index knows at once
    apart = Filter(kind="refusal", actor="key:1", model="lab/a", outcome="failed")
    got = page(connection, apart, Reasons(), limit=1_000)
    assert got.next is not None
    assert got.span.last_seq == got.next


def test_an_empty_log_has_answers_too() -> None:
    with closing(indexed([])) as empty:
        got = page(empty, Filter(kind="refusal", text="x", since_us=1), Reasons())
        assert (got.seqs, got.next, got.span.size) == ((), None, 0)
        assert total(empty, Filter(), Reasons()) == 0
        assert counts(empty, Filter(), Reasons(), "day") == []
        assert covered(empty, Filter()).last_seq == 0


TRICKS = [
    "' OR '1'='1",
    "x'; DELETE FROM ledger_index; --",
    "%",
    "_",
    "a\0",
    "\\",
    '"',
    "lab/a\0",
    "key:_",
    ") OR (1",
]


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("name", sorted(set(Filter.__slots__) - {"since_us", "until_us"}))
def test_no_value_is_part_of_a_statement_or_a_pattern(name: str, trick: str) -> None:
    log = [refusal(1, "plain words"), body(2, subject="lab/a"), refusal(3, "more")]
    with closing(indexed(log)) as connection:
        wanted = Filter(**{name: trick})  # type: ignore[arg-type]
        assert page(connection, wanted, Reasons()).seqs == ()
        assert total(connection, wanted, Reasons()) == 0
        assert total(connection, Filter(), Reasons()) == 3


@pytest.mark.parametrize("held", ["100%", "a_b", "it's", "a\0b", "back\\slash", "ǅ", "STRASSE"])
def test_a_reason_is_found_by_exactly_what_it_holds(held: str) -> None:
    log = [refusal(1, f"so {held} then"), refusal(2, "100 axb its ab backslash d strase")]
    with closing(indexed(log)) as connection:
        for typed in (held, held.lower(), f"THEN {held}"):
            assert page(connection, Filter(text=typed), Reasons()).seqs == (1,)


@pytest.mark.parametrize("huge", [2**63 - 1, 2**63, -(2**63) - 1, 2**200, -(2**200)])
def test_numbers_beyond_the_database_are_answered(huge: int) -> None:
    with closing(indexed([body(1), body(2)])) as connection:
        assert total(connection, Filter(since_us=huge), Reasons()) == (2 if huge < 0 else 0)
        assert total(connection, Filter(until_us=huge), Reasons()) == (2 if huge > 0 else 0)
        assert page(connection, Filter(run=str(abs(huge))), Reasons()).seqs == ()


def test_new_reasons_are_found_and_old_ones_forgotten_when_the_index_is_new() -> None:
    reasons = Reasons()
    with closing(indexed([refusal(1, "first")])) as connection:
        assert page(connection, Filter(text="second"), reasons).seqs == ()
        from app.authority.ledger.index import insert_rows
        from app.evidence.indexing import index_row

        insert_rows(connection, [index_row(refusal(2, "second"))])
        assert page(connection, Filter(text="second"), reasons).seqs == (2,)
        connection.execute("UPDATE ledger_index SET reason = 'third'")
        reasons.forget()
        assert page(connection, Filter(text="third"), reasons).seqs == (1, 2)


def test_a_log_with_too_many_different_reasons_is_searched_all_the_same(log: list[Body]) -> None:
    wanted = Filter(text="needs 77 gib")
    right = [one["seq"] for one in log if is_like(wanted, one)]
    reasons = Reasons(most=10)
    with closing(indexed(log)) as connection:
        assert total(connection, wanted, reasons) == len(right)
        got = page(connection, wanted, reasons, limit=3)
        assert list(got.seqs) == right[:3]


def test_no_way_reads_the_whole_table_where_an_index_helps(
    connection: sqlite3.Connection,
) -> None:
    for wanted in ASKED[1:10]:
        for patience in (FOR_A_PAGE, FOR_COUNTING):
            for way in ways(connection, wanted, Reasons(), patience)[1:]:
                for one in way.ranges:
                    plan = connection.execute(
                        f"EXPLAIN QUERY PLAN SELECT seq FROM {one.source} "
                        f"WHERE {one.where.sql} AND seq > 5 ORDER BY seq",
                        one.where.values,
                    ).fetchall()
                    said = " ".join(row[3] for row in plan)
                    assert "SEARCH" in said, said
                    assert "TEMP B-TREE" not in said or "rowid=?" in said, said
