"""What happens over time is sampled, asked and told once; a restart forgets nothing of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import Histories
from app.authority.guardrails.watching import observing
from app.authority.guardrails.watching.digests import HOUR_US, DecisionDigests
from app.authority.guardrails.watching.observing import Observing
from app.authority.guardrails.watching.readings import SYSTEM
from app.authority.policy.decisions import Outcome
from app.domain.refusals import AuditUnavailable
from tests.fakes.at_work import AtWork, at_work

TASKS = {
    "long-queue": "Alert when queue depth is above 10",
    "queue-rises": "Alert when queue depth rises by more than 50 % within 10 minutes",
}


@pytest.fixture
def work(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w", {"long-queue": TASKS["long-queue"]}) as work:
        yield work


def told(work: AtWork) -> list[tuple[str, str]]:
    return [(e.subject, str(e.outcome)) for e in work.events("guardrails_alert")]


def test_a_tick_records_every_series_and_what_was_asked(work: AtWork) -> None:
    work.state["waiting"] = 4
    work.ticking().tick()
    (row,) = work.rows
    assert (row.point, row.outcome) == ("tick", "allow")
    record = from_bytes(row.record)
    assert record["readings"].keys() == SYSTEM.keys()
    assert record["readings"]["queue_depth"] == 4


def test_an_alert_is_told_when_it_becomes_true_and_not_while_it_stays_so(work: AtWork) -> None:
    ticking = work.ticking()
    for waiting in (3, 11, 12, 2, 50):
        work.state["waiting"] = waiting
        ticking.tick()
        work.office.clock.advance(60)
    assert told(work) == [("long-queue", "met"), ("long-queue", "met")]
    assert [row.outcome for row in work.rows] == ["allow", "alert", "alert", "allow", "alert"]
    (first, _) = work.events("guardrails_alert")
    assert first.data["decision"] == work.rows[1].digest


def test_after_a_restart_what_was_true_is_not_told_again(work: AtWork) -> None:
    work.state["waiting"] = 20
    work.ticking().tick()
    work.office.clock.advance(60)
    work.ticking().tick()
    assert told(work) == [("long-queue", "met")]


def test_an_alert_that_could_not_be_told_is_told_later(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> None:
        raise AuditUnavailable("The disk is full.")

    work.state["waiting"] = 20
    ticking = work.ticking()
    with monkeypatch.context() as broken:
        broken.setattr(work.alerts, "tell", full)
        with pytest.raises(AuditUnavailable):
            ticking.tick()
    assert told(work) == []
    work.office.clock.advance(60)
    ticking.tick()
    assert told(work) == [("long-queue", "met")]


def test_an_alert_that_the_end_of_the_server_cut_off_is_told_after_the_start(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: object) -> None:
        raise AuditUnavailable("Killed.")

    work.state["waiting"] = 20
    with monkeypatch.context() as broken:
        broken.setattr(work.alerts, "tell", killed)
        with pytest.raises(AuditUnavailable):
            work.ticking().tick()
    work.office.clock.advance(60)
    work.ticking().tick()
    assert told(work) == [("long-queue", "met")]


def test_what_cannot_be_read_is_told_as_an_error_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError("no reading")

    tasks = {"pressure": "Alert when memory pressure is above 90 %"}
    with at_work(tmp_path / "w", tasks) as work:
        monkeypatch.setattr(work.memory, "read", fails)
        ticking = work.ticking()
        for _ in range(2):
            ticking.tick()
            work.office.clock.advance(60)
        assert told(work) == [("pressure", "error")]


def test_what_was_sampled_is_history_also_after_a_restart(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"rises": TASKS["queue-rises"]}) as work:
        for waiting in (10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 16):
            work.state["waiting"] = waiting
            work.ticking().tick()  # each after a start of its own
            work.office.clock.advance(60)
        assert told(work) == [("rises", "met")]


async def test_rules_that_look_further_back_read_what_was_let_go_of(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "FORGET_EVERY", 1)
    ticking = work.ticking()
    for _ in range(6):
        ticking.tick()
        work.office.clock.advance(3600)
    series = ticking._observing._histories
    assert len(series.of("queue_depth", 0, 2**62)) == 3
    intent = "Alert when queue depth rises by more than 50 % within 1 day"
    await work.house.does("add", id="rises", intent=intent)
    ticking.tick()
    assert len(series.of("queue_depth", 0, 2**62)) == 7


def test_numbers_about_subjects_are_history_of_their_own_point(work: AtWork) -> None:
    looking = Observing(work.sources, work.decisions)
    rules = work.house.now.rules
    looking.tick(rules)  # nothing is kept of a look
    views: dict[Point, Histories] = looking._views
    assert not views[Point.TICK].of("queue_depth", 0, 2**62)
    looking.keep(looking.tick(rules), rules)
    assert len(views[Point.LOAD].of("queue_depth", 0, 2**62)) == 1


def test_each_hour_is_sealed_once_with_every_decision_in_it(work: AtWork) -> None:
    def digests() -> DecisionDigests:
        return DecisionDigests(work.office.ledger, work.decisions, work.office.clock)

    digests().tick()
    assert work.events("guardrails_digest") == []
    work.policy.decide(work.load())
    work.policy.decide(work.load())
    work.office.clock.advance(3600)
    work.policy.decide(work.load())
    digests().tick()
    digests().tick()
    (sealed,) = work.events("guardrails_digest")
    assert (sealed.data["decisions"], sealed.data["first_seq"], sealed.data["last_seq"]) == (
        2,
        1,
        2,
    )
    assert sealed.data["until_us"] - sealed.data["from_us"] == HOUR_US
    work.office.clock.advance(3 * 3600)
    digests().tick()
    last = work.events("guardrails_digest")[-1]
    assert (last.data["decisions"], last.data["first_seq"]) == (1, 3)
    assert last.data["from_us"] == sealed.data["until_us"]
    work.office.clock.advance(3600)
    digests().tick()
    empty = work.events("guardrails_digest")[-1].data
    assert (empty["decisions"], empty["first_seq"], empty["last_seq"]) == (0, 0, 0)


def test_what_was_altered_by_other_means_shows_at_the_next_tick(work: AtWork) -> None:
    ticking = work.ticking()
    ticking.tick()
    work.house.sql(
        "UPDATE guardrails_definition SET created_us = 1, binding_hash = hex(zeroblob(32))"
    )
    with pytest.raises(AuditUnavailable):
        ticking.tick()
    assert work.policy.decide(work.load()).outcome is Outcome.DENY
