"""What happened of late is counted from what was written, and a look reads only what is new."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.guardrails.strategies.base import Observation
from app.authority.guardrails.values import Scope
from app.authority.guardrails.watching.histories import Histories
from app.authority.guardrails.watching.memory import Glance
from app.authority.guardrails.watching.recent import Recent, happening
from app.authority.ledger import RefusalRecorder
from app.authority.ledger.events import LedgerEvent
from app.domain.actors import ANONYMOUS, SYSTEM
from app.domain.refusals import Forbidden
from app.evidence.vocabulary import Kind
from tests.fakes.at_work import CLIENT, AtWork, at_work
from tests.fakes.clock import FixedClock
from tests.fakes.memory import FixedMemory


@pytest.fixture
def work(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w") as work:
        yield work


def refuse(work: AtWork, count: int, actor=CLIENT) -> None:  # type: ignore[no-untyped-def]
    recorder = RefusalRecorder(work.office.ledger, clock=work.office.clock)
    for _ in range(count):
        recorder.record(actor, Forbidden("No."), "a/b")
    recorder.close()


def counts(recent: Recent, work: AtWork, what: str, scope: Scope = Scope.ALL) -> dict[str, int]:
    return recent.counts(what, scope, work.office.clock.utc_us())


def test_refusals_of_the_last_hour_are_counted_for_all_and_for_each_key(work: AtWork) -> None:
    recent = work.sources.recent
    assert counts(recent, work, "blocked_attempts") == {"": 0}
    refuse(work, 3)
    refuse(work, 1, ANONYMOUS)
    assert counts(recent, work, "blocked_attempts") == {"": 4}
    by_actor = counts(recent, work, "blocked_attempts", Scope.ACTOR)
    assert by_actor == {CLIENT.id: 3, ANONYMOUS.id: 1}
    work.office.clock.advance(3601)
    assert counts(recent, work, "blocked_attempts") == {"": 0}
    assert counts(recent, work, "blocked_attempts", Scope.ACTOR) == {}


def test_a_flood_counts_in_full_though_most_of_it_is_one_event(work: AtWork) -> None:
    refuse(work, 250)
    assert counts(work.sources.recent, work, "blocked_attempts") == {"": 250}


def test_after_a_start_the_hour_before_it_counts_too(work: AtWork) -> None:
    refuse(work, 2)
    work.office.clock.advance(4000)
    refuse(work, 5)
    again = Recent(work.office.ledger.readers)
    assert counts(again, work, "blocked_attempts") == {"": 5}


def test_failed_loads_and_evictions_are_counted_by_model(work: AtWork) -> None:
    ledger = work.office.ledger
    for outcome in ("failed", "loaded", "failed"):
        terms = {"digest": "d" * 64, "context": 1, "slots": 1, "pinned": False}
        said = {**terms, "permission": "model.load", "feasibility": {}}
        seq = ledger.append(LedgerEvent(Kind.LOAD_INTENT, SYSTEM, "a/b", data=said)).seq
        event = LedgerEvent(Kind.LOAD_OUTCOME, SYSTEM, "a/b", outcome, intent_seq=seq)
        ledger.append(event)
    for reason in ("evicted for c/d", "idle", "asked"):
        data = {"reason": reason, "resident_bytes": 1, "in_flight": 0}
        seq = ledger.append(LedgerEvent(Kind.UNLOAD_INTENT, SYSTEM, "e/f", data=data)).seq
        done = {"reason": reason, "freed_bytes": 1, "cut_off": 0}
        ledger.append(
            LedgerEvent(Kind.UNLOAD_OUTCOME, SYSTEM, "e/f", "unloaded", done, intent_seq=seq)
        )
    recent = work.sources.recent
    assert counts(recent, work, "load_failures", Scope.MODEL) == {"a/b": 2}
    assert counts(recent, work, "evictions", Scope.MODEL) == {"e/f": 1}


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"null", b'{"kind":"refusal"}'])
def test_a_body_that_cannot_be_read_counts_for_nothing(content: bytes) -> None:
    assert happening(content) is None


def test_requests_of_five_minutes_say_latency_and_speed(work: AtWork) -> None:
    traffic, now = work.sources.traffic, work.office.clock.utc_us
    assert traffic.latency(Scope.ALL, now()) == {}
    work.used(19, duration_ms=1_000)
    work.used(1, duration_ms=9_000, model_id="x/slow")
    assert traffic.latency(Scope.ALL, now()) == {"": 1.0}
    assert traffic.latency(Scope.MODEL, now() + 10_000_000) == {"test/tiny": 1.0, "x/slow": 9.0}
    assert traffic.tokens_per_second(Scope.MODEL, now())["test/tiny"] == 20
    work.office.clock.advance(400)
    assert traffic.latency(Scope.ALL, now()) == {}


def test_the_part_that_failed_leaves_out_nobody_and_blames_no_client(work: AtWork) -> None:
    traffic, now = work.sources.traffic, work.office.clock.utc_us
    work.used(2)
    work.used(1, outcome="cancelled")
    work.used(1, outcome="worker_lost", actor="key:2")
    assert traffic.error_rate(Scope.ALL, now()) == {"": 0.25}
    assert traffic.error_rate(Scope.ACTOR, now()) == {"key:1": 0.0, "key:2": 1.0}
    work.office.clock.advance(3700)
    assert traffic.error_rate(Scope.ALL, now()) == {}


def test_a_history_is_what_was_before_and_no_later() -> None:
    histories = Histories()
    for at_us in (10, 20, 30):
        histories.add(at_us, [("s", at_us / 10)])
    assert list(histories.of("s", 10, 30)) == [Observation(10, 1.0), Observation(20, 2.0)]
    assert histories.of("s", 11, 30)[-1] == Observation(20, 2.0)
    assert len(histories.of("other", 0, 100)) == 0
    histories.forget(25)
    assert [one.at_us for one in histories.of("s", 0, 100)] == [30]


def test_a_clock_that_was_set_back_leaves_a_history_in_order() -> None:
    histories = Histories()
    for at_us in (10, 30, 20, 30):
        histories.add(at_us, [("s", float(at_us))])
    assert [one.at_us for one in histories.of("s", 0, 100)] == [10, 20, 30]


def test_what_was_asked_for_stays_as_it_was_while_more_is_added() -> None:
    histories = Histories()
    histories.add(1, [("s", 1.0)])
    past = histories.of("s", 0, 100)
    histories.add(2, [("s", 2.0)])
    assert [one.value for one in past] == [1.0]


def test_a_window_has_another_mark_whenever_it_may_hold_something_else() -> None:
    histories = Histories()
    marks = [histories.mark("s", 0, 100)]
    for change in (
        lambda: histories.add(10, [("s", 1.0)]),
        lambda: histories.add(10, [("s", 2.0)]),  # read again at the same moment
        lambda: histories.add(20, [("s", 2.0)]),
        lambda: histories.forget(15),
        lambda: histories.forget(50),
        lambda: histories.add(20, [("s", 3.0)]),  # as many as before, at the same time
    ):
        change()
        marks.append(histories.mark("s", 0, 100))
    assert len({*marks}) == len(marks) - 1
    assert marks[0] == marks[5], "nothing is nothing"
    assert histories.mark("s", 0, 100) == marks[-1]
    assert histories.mark("s", 21, 100) != marks[-1]


def test_memory_is_read_once_a_second_and_a_failure_is_not_remembered() -> None:
    clock, used = FixedClock(), [0]
    memory = FixedMemory(clock, total_bytes=100, used_bytes=lambda: used[0])
    glance = Glance(memory, clock)
    assert glance.read().available_bytes == 100
    used[0] = 40
    assert glance.read().available_bytes == 100
    clock.advance(1)
    assert glance.read().available_bytes == 60
    clock.advance(1)
    memory.read = lambda: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            glance.read()
