"""Reading is recorded: the first look in full, further ones as a count, none lost."""

from pathlib import Path

import pytest

from app.authority.ledger import Ledger
from app.authority.ledger.reads import MAX_DETAIL, OTHERS, ReadRecorder
from app.authority.ledger.windows import WINDOW_S
from app.domain.actors import Actor, Role
from tests.fakes.clock import FixedClock
from tests.fakes.database import weakened_engine
from tests.fakes.ledger import new_ledger

ADA = Actor(id="key:0badcafe", name="Ada", roles=frozenset({Role.AUDITOR}), person="p-00000001")
BOT = Actor(id="key:00000002", name="bot", roles=frozenset({Role.AUDITOR}))


@pytest.fixture
def recorder(ledger: Ledger, clock: FixedClock) -> ReadRecorder:
    return ReadRecorder(ledger, clock)


def reads(ledger: Ledger) -> list[dict[str, object]]:
    return [{"by": e.actor, "what": e.subject, **e.data} for e in ledger.events(kind="ledger_read")]


def test_the_first_look_says_what_was_asked(recorder: ReadRecorder, ledger: Ledger) -> None:
    recorder.note(ADA, "events", "kind=refusal")
    assert reads(ledger) == [{"by": ADA.id, "what": "events", "detail": "kind=refusal"}]
    assert ledger.event(1).fields["actor"]["person"] == "p-00000001"


def test_further_looks_in_that_minute_are_one_count(
    recorder: ReadRecorder, ledger: Ledger, clock: FixedClock
) -> None:
    started = clock.utc_us()
    for number in range(50):
        recorder.note(ADA, "events", f"after={number}")
        clock.advance(1)
    recorder.note(BOT, "events")
    recorder.note(ADA, "report:who")
    assert ledger.size() == 3
    assert recorder.pending == 49
    clock.advance(10)
    recorder.flush_due()
    assert reads(ledger)[-1] == {
        "by": ADA.id,
        "what": "events",
        "count": 49,
        "first_us": started + 1_000_000,
        "last_us": started + 49_000_000,
    }
    assert recorder.pending == 0


def test_a_new_minute_begins_in_full(
    recorder: ReadRecorder, ledger: Ledger, clock: FixedClock
) -> None:
    recorder.note(ADA, "events", "one")
    clock.advance(WINDOW_S)
    recorder.note(ADA, "events", "two")
    assert [read.get("detail") for read in reads(ledger)] == ["one", "two"]


def test_reading_goes_on_without_the_ledger_and_is_recorded_later(path: Path) -> None:
    engine, clock = weakened_engine(path), FixedClock()
    ledger = new_ledger(engine, clock)
    recorder = ReadRecorder(ledger, clock)
    for value in ("ON", "OFF"):
        raw = engine.raw_connection()
        raw.cursor().execute(f"PRAGMA query_only = {value}").fetchall()
        raw.close()
        for _ in range(3):
            recorder.note(ADA, "events")
        clock.advance(WINDOW_S)
        recorder.flush_due()
    recorder.close()
    assert sum(int(str(read.get("count", 1))) for read in reads(ledger)) == 6
    assert recorder.pending == 0


def test_closing_writes_the_counts(recorder: ReadRecorder, ledger: Ledger) -> None:
    for _ in range(3):
        recorder.note(ADA, "events")
    recorder.close()
    assert reads(ledger)[-1]["count"] == 2


def test_a_thousand_things_at_once_are_bounded_and_counted(
    recorder: ReadRecorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.authority.ledger.reads.MAX_WINDOWS", 20)
    for number in range(100):
        recorder.note(ADA, f"event {number}")
    recorder.close()
    assert ledger.size() == 21
    assert reads(ledger)[-1]["what"] == OTHERS
    assert reads(ledger)[-1]["count"] == 80


def test_a_secret_in_a_filter_is_not_recorded(recorder: ReadRecorder, ledger: Ledger) -> None:
    recorder.note(ADA, "events\n", "text=lmx_0badcafe_" + "s" * 43 + "\u202e" + "x" * 10_000)
    (read,) = reads(ledger)
    assert "sss" not in str(read)
    assert "\u202e" not in str(read)
    assert len(str(read["detail"])) <= MAX_DETAIL
    assert "\n" not in str(read["what"])
