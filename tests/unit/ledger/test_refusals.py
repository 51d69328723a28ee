"""Refusals are recorded, floods are counted, and none is lost or leaks anything."""

from pathlib import Path

import pytest

from app.authority.ledger import Ledger, RefusalRecorder
from app.authority.ledger.refusals import IN_FULL, OTHERS, WINDOW_S
from app.authority.permissions import Permission, check
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import Forbidden, InvalidRequest, ModelNotFound, Refusal
from tests.fakes import events
from tests.fakes.clock import FixedClock
from tests.fakes.database import weakened_engine
from tests.fakes.ledger import new_ledger

BOT = Actor(id="key:0badcafe", name="bot", roles=frozenset({Role.CLIENT}))
MISSING = ModelNotFound("There is no model 'x'.")


@pytest.fixture
def recorder(ledger: Ledger, clock: FixedClock) -> RefusalRecorder:
    return RefusalRecorder(ledger, clock)


def refusals(ledger: Ledger) -> list[dict[str, object]]:
    return [dict(e.data) for e in ledger.events(kind="refusal", limit=10_000)]


def total(ledger: Ledger) -> int:
    return sum(int(str(r.get("count", 1))) for r in refusals(ledger))


def test_a_refused_act_is_one_event(recorder: RefusalRecorder, ledger: Ledger) -> None:
    with pytest.raises(Forbidden) as refused:
        check(BOT, Permission.MODEL_UNLOAD)
    receipt = recorder.record(BOT, refused.value, "lmx/starter", "req-1")
    assert receipt is not None
    event = ledger.event(receipt.seq)
    assert (event.kind, event.actor, event.subject, event.outcome) == (
        "refusal",
        "key:0badcafe",
        "lmx/starter",
        "refused",
    )
    assert event.data["code"] == "forbidden"
    assert event.data["permission"] == "model.unload"
    assert "needs a key with the role operator" in event.data["message"]
    assert event.fields["request_id"] == "req-1"


def test_a_malformed_request_is_no_event(recorder: RefusalRecorder, ledger: Ledger) -> None:
    assert recorder.record(BOT, InvalidRequest("no"), "x", None) is None
    assert ledger.size() == 0


def test_a_flood_is_a_hundred_events_and_one_count(
    recorder: RefusalRecorder, ledger: Ledger, clock: FixedClock
) -> None:
    started = clock.utc_us()
    for _ in range(1_000):
        recorder.record(ANONYMOUS, MISSING, "x", None)
        clock.advance(0.01)
    assert ledger.size() == IN_FULL
    assert recorder.pending == 900
    clock.advance(WINDOW_S)
    recorder.flush_due()
    assert ledger.size() == IN_FULL + 1
    counted = refusals(ledger)[-1]
    assert counted["count"] == 900
    assert counted["code"] == "model_not_found"
    assert counted["first_us"] == started + 1_000_000
    assert counted["last_us"] == started + 9_990_000
    assert recorder.pending == 0


def test_ten_thousand_in_a_second_are_a_hundred_and_a_count_of_the_rest(
    recorder: RefusalRecorder, ledger: Ledger, clock: FixedClock
) -> None:
    for _ in range(10_000):
        recorder.record(ANONYMOUS, MISSING, "x", None)
        clock.advance(0.0001)
    clock.advance(WINDOW_S)
    recorder.flush_due()
    said = refusals(ledger)
    assert len(said) == IN_FULL + 1
    assert [r.get("count") for r in said] == [None] * IN_FULL + [9_900]
    assert total(ledger) == 10_000


def test_a_new_minute_is_recorded_in_full_again(
    recorder: RefusalRecorder, ledger: Ledger, clock: FixedClock
) -> None:
    for _ in range(IN_FULL + 5):
        recorder.record(BOT, MISSING, "x", None)
    clock.advance(WINDOW_S)
    assert recorder.record(BOT, MISSING, "x", None) is not None
    assert total(ledger) == IN_FULL + 6


def test_only_equal_refusals_share_a_count(recorder: RefusalRecorder, ledger: Ledger) -> None:
    for _ in range(IN_FULL):
        recorder.record(BOT, MISSING, "x", None)
    assert recorder.record(ANONYMOUS, MISSING, "x", None) is not None
    assert recorder.record(BOT, MISSING, "y", None) is not None
    assert recorder.record(BOT, Forbidden("no"), "x", None) is not None
    assert recorder.record(BOT, MISSING, "x", None) is None


def test_stopping_writes_what_was_counted(recorder: RefusalRecorder, ledger: Ledger) -> None:
    for _ in range(IN_FULL + 7):
        recorder.record(BOT, MISSING, "x", None)
    recorder.close()
    assert total(ledger) == IN_FULL + 7


def test_a_flood_of_different_subjects_is_bounded_too(
    recorder: RefusalRecorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.authority.ledger.refusals.MAX_WINDOWS", 50)
    for number in range(200):
        recorder.record(ANONYMOUS, MISSING, f"model-{number}", None)
    assert ledger.size() == 50
    recorder.close()
    assert total(ledger) == 200
    assert ledger.events(newest_first=True, limit=1)[0].subject == OTHERS


def test_a_refusal_the_ledger_cannot_take_is_written_when_it_can(path: Path) -> None:
    engine, clock = weakened_engine(path), FixedClock()
    ledger = new_ledger(engine, clock, "boot-1")
    recorder = RefusalRecorder(ledger, clock)
    for value in ("ON", "OFF"):
        raw = engine.raw_connection()
        raw.cursor().execute(f"PRAGMA query_only = {value}").fetchall()
        raw.close()
        for _ in range(3):
            recorder.record(BOT, MISSING, "x", None)
        clock.advance(WINDOW_S)
        recorder.flush_due()
    recorder.close()
    assert total(ledger) == 6
    assert recorder.pending == 0


@pytest.mark.parametrize(
    ("said", "hidden"),
    [
        ("lmx_0badcafe_" + "s" * 43, "s" * 10),
        ("Authorization: Bearer abc123secret", "abc123secret"),
        ("sk-proj-0123456789abcdef", "0123456789abcdef"),
        ("\x1b[31mred", "\x1b"),
        ("\u202eright to left", "\u202e"),
        ("two\nlines", "\n"),
        ("half \ud800", "\ud800"),
        ("x" * 490 + " lmx_0badcafe_" + "s" * 43, "sss"),
    ],
)
def test_a_refusal_records_no_secret_and_nothing_that_moves_a_cursor(
    recorder: RefusalRecorder, ledger: Ledger, said: str, hidden: str
) -> None:
    refusal: Refusal = ModelNotFound(said)
    recorder.record(BOT, refusal, said, said)
    recorded = ledger.event(1)
    assert recorded.intact
    for text in (recorded.data["message"], recorded.subject, recorded.fields["request_id"]):
        assert hidden not in text


def test_a_huge_refusal_is_recorded_bounded(recorder: RefusalRecorder, ledger: Ledger) -> None:
    receipt = recorder.record(BOT, ModelNotFound("m" * 10**6), "s" * 10**6, "r" * 10**6)
    assert receipt is not None
    assert len(ledger.event(receipt.seq).body) < 2_000


def test_other_events_are_not_disturbed(recorder: RefusalRecorder, ledger: Ledger) -> None:
    recorder.record(BOT, MISSING, "x", None)
    ledger.append(events.boot())
    recorder.close()
    assert [e.kind for e in ledger.events()] == ["refusal", "boot"]
