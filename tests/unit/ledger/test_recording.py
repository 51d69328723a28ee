"""Events are appended in order, durably, with the change they record, and found again."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from app.authority.ledger import InvalidEvent, Kind, Ledger, LedgerEvent
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.domain.refusals import AuditUnavailable, EventNotFound
from app.evidence.merkle import leaf_hash
from tests.fakes import events
from tests.fakes.clock import START_UTC_US, FixedClock
from tests.fakes.database import foreign_connection
from tests.fakes.ledger import new_ledger

ADA = Actor(id="key:0badcafe", name="Ada", roles=frozenset({Role.OPERATOR}))
BOOT = events.boot("b")
RECEIPT = "INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)"


def intent(subject: str = "lmx/starter") -> LedgerEvent:
    return events.load_intent(subject, actor=ADA)


def outcome(seq: int, subject: str = "lmx/starter") -> LedgerEvent:
    return events.load_outcome(seq, subject, actor=ADA, request_id="r")


def receipts(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.exec_driver_sql("SELECT count(*) FROM receipt").scalar_one()
    return count


def test_events_are_numbered_from_one_without_gaps(ledger: Ledger) -> None:
    assert [ledger.append(BOOT).seq for _ in range(5)] == [1, 2, 3, 4, 5]
    assert ledger.size() == 5


def test_a_receipt_is_what_is_stored(ledger: Ledger) -> None:
    receipt = ledger.append(events.boot("b", actor=ADA, request_id="r-1"))
    stored = ledger.event(receipt.seq)
    assert stored.intact
    assert (stored.event_id, stored.leaf) == (receipt.event_id, receipt.leaf)
    assert stored.leaf == leaf_hash(stored.body)
    assert stored.ts_utc_us == START_UTC_US
    assert (stored.kind, stored.actor, stored.subject, stored.boot_id) == (
        "boot",
        "key:0badcafe",
        "b",
        "boot-1",
    )
    assert stored.data == events.boot().data
    shown = stored.as_dict()
    assert shown["leaf"] == receipt.leaf.hex()
    assert shown["body"]["request_id"] == "r-1"


def test_another_process_sees_an_event_as_soon_as_it_is_acknowledged(
    ledger: Ledger, path: Path
) -> None:
    ledger.append(BOOT)
    assert foreign_connection(path).execute("SELECT seq FROM ledger_event").fetchall() == [(1,)]


def test_an_event_that_is_not_there_is_not_found(ledger: Ledger) -> None:
    for seq in (0, -1, 1, 2**63, 10**30):
        with pytest.raises(EventNotFound):
            ledger.event(seq)


def test_the_wall_clock_may_jump_and_the_order_stays(ledger: Ledger, clock: FixedClock) -> None:
    first = ledger.append(BOOT)
    clock.jump(-3600)
    clock.advance(1)
    second = ledger.append(BOOT)
    clock.jump(365 * 86_400)
    third = ledger.append(BOOT)
    stored = [ledger.event(r.seq) for r in (first, second, third)]
    assert [e.seq for e in stored] == [1, 2, 3]
    mono = [e.fields["mono_us"] for e in stored]
    assert mono == sorted(mono)
    assert stored[1].ts_utc_us < stored[0].ts_utc_us < stored[2].ts_utc_us


def test_a_change_and_its_event_are_one(ledger: Ledger, engine: Engine) -> None:
    with ledger.recording(BOOT) as connection:
        connection.exec_driver_sql(RECEIPT, ("a" * 64,))
        assert ledger.size() == 0
    assert (ledger.size(), receipts(engine)) == (1, 1)


def test_a_change_that_fails_is_not_recorded_and_not_made(ledger: Ledger, engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"), ledger.recording(BOOT) as connection:
        connection.exec_driver_sql(RECEIPT, ("a" * 64,))
        raise RuntimeError("changed my mind")
    assert (ledger.size(), receipts(engine)) == (0, 0)
    assert ledger.available


def test_a_conflict_of_the_callers_own_is_the_callers(ledger: Ledger, engine: Engine) -> None:
    with pytest.raises(IntegrityError), ledger.recording(BOOT) as connection:
        connection.exec_driver_sql(RECEIPT, ("a" * 64,))
        connection.exec_driver_sql(RECEIPT, ("a" * 64,))
    assert (ledger.size(), receipts(engine)) == (0, 0)
    assert ledger.available


def test_an_event_that_cannot_be_written_stops_the_change_before_it_begins(
    ledger: Ledger, engine: Engine
) -> None:
    bad = events.holding(0.1)
    began = False
    with pytest.raises(InvalidEvent), ledger.recording(bad):
        began = True
    with pytest.raises(InvalidEvent):
        ledger.append(bad)
    with pytest.raises(InvalidEvent):
        ledger.append(events.saying("a" * 40_000))
    assert not began
    assert ledger.size() == 0
    assert ledger.append(BOOT).seq == 1


def test_eight_threads_leave_no_gap(ledger: Ledger) -> None:
    seen: list[int] = []

    def write() -> None:
        seen.extend(ledger.append(BOOT).seq for _ in range(25))

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 201))
    assert all(event.intact for event in ledger.events(limit=200))


def test_a_second_writer_on_the_same_files_is_noticed_and_nothing_more_is_signed(
    ledger: Ledger, path: Path
) -> None:
    ledger.append(BOOT)
    other = new_ledger(open_engine(path), FixedClock(), "boot-2")
    other.append(BOOT)
    with pytest.raises(AuditUnavailable):
        ledger.append(BOOT)


def test_an_intent_is_open_until_its_own_outcome_closes_it(ledger: Ledger) -> None:
    first, second = ledger.append(intent("a")), ledger.append(intent("b"))
    ledger.append(events.worker_exited("a", intent_seq=first.seq))
    assert [e.subject for e in ledger.open_intents()] == ["a", "b"]
    ledger.append(outcome(second.seq, "b"))
    assert [e.seq for e in ledger.open_intents()] == [first.seq]


def test_reconciling_closes_every_open_intent_once(ledger: Ledger) -> None:
    opened = ledger.append(intent())
    ledger.append(events.unload_intent("other", actor=ADA))
    done = ledger.reconcile()
    assert len(done) == 2
    closing = ledger.event(done[0].seq)
    assert (closing.kind, closing.outcome) == ("load_outcome", "interrupted_by_restart")
    assert (closing.intent_seq, closing.actor) == (opened.seq, "system")
    assert ledger.open_intents() == []
    assert ledger.reconcile() == []


def test_events_are_found_by_what_they_say(ledger: Ledger) -> None:
    ledger.append(BOOT)
    seq = ledger.append(intent()).seq
    ledger.append(outcome(seq))
    ledger.append(intent("other"))
    found = {
        "kind": ledger.events(kind="load_intent"),
        "actor": ledger.events(actor="key:0badcafe"),
        "subject": ledger.events(subject="lmx/starter"),
        "outcome": ledger.events(outcome="loaded"),
        "two": ledger.events(kind="load_intent", subject="other"),
        "none": ledger.events(kind="no such kind"),
    }
    assert {name: [e.seq for e in events] for name, events in found.items()} == {
        "kind": [2, 4],
        "actor": [2, 3, 4],
        "subject": [2, 3],
        "outcome": [3],
        "two": [4],
        "none": [],
    }


@pytest.mark.parametrize("kind", [None, "boot"])
def test_pages_follow_each_other_in_both_directions(ledger: Ledger, kind: str | None) -> None:
    for _ in range(7):
        ledger.append(BOOT)
    forth: list[int] = []
    while page := ledger.events(after=forth[-1] if forth else 0, limit=3, kind=kind):
        forth += [e.seq for e in page]
    back: list[int] = []
    while page := ledger.events(
        after=back[-1] if back else 0, limit=3, kind=kind, newest_first=True
    ):
        back += [e.seq for e in page]
        if back[-1] == 1:
            break
    assert forth == [1, 2, 3, 4, 5, 6, 7]
    assert back == forth[::-1]


def test_the_newest_word_on_each_subject(ledger: Ledger) -> None:
    for subject in ("a", "b", "a"):
        ledger.append(events.quarantined(subject))
    ledger.append(LedgerEvent(Kind.MODEL_RELEASED, ADA, "b"))
    newest = ledger.latest(Kind.MODEL_QUARANTINED, Kind.MODEL_RELEASED)
    assert {s: (e.seq, e.kind) for s, e in newest.items()} == {
        "a": (3, "model_quarantined"),
        "b": (4, "model_released"),
    }
