"""Residency foretells what came back at the same hours, makes room for it, and else says nothing.

NOW is half past eight of a Friday, so the hour that begins next is nine.
"""

import random
from collections.abc import Iterable
from dataclasses import replace

import pytest

from app._experimental.evidence import fact
from app._experimental.residency import MOST, RESIDENCY
from app._experimental.residency.calendars import CALENDARS, Calendar, expected
from app._experimental.residency.hours import hours_of
from app._experimental.residency.records import NATS, surplus
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot, UseRow
from tests.fakes.advisors import advised
from tests.fakes.snapshots import DAY_US, GIB, NOW_HOUR, NOW_US, in_memory, model, row, snapshot

DAILY = range(1, 22)
WORKING_DAYS = tuple(day for day in DAILY if (4 - day) % 7 < 5)


def at_hours(
    name: str, hours: Iterable[int], days: Iterable[int] = DAILY, **changes: int
) -> list[UseRow]:
    """A row for each of these hours of the day, on each of so many days ago (0 is today)."""
    return [
        row(NOW_HOUR - 24 * day - NOW_HOUR % 24 + hour, name, **changes)
        for day in days
        for hour in hours
    ]


def told(facts: Snapshot) -> list[Proposal]:
    return advised(RESIDENCY, facts)


def said(facts: Snapshot) -> list[tuple[Kind, str]]:
    return [(one.kind, one.target) for one in told(facts)]


def test_what_came_at_this_hour_on_every_day_is_loaded_for_it() -> None:
    facts = snapshot(models={"a/a": model()}, rows=at_hours("a/a", (9, 10, 11)))
    (load,) = told(facts)
    assert (load.kind, load.target) == (Kind.LOAD, "a/a")
    assert load.confidence >= 85
    assert "expected from 09:00 to 12:00 UTC" in load.reason
    assert "times before" in load.reason
    assert load.predicts == {"cold_starts_avoided": 1}
    assert load.evidence == tuple(fact(facts, *one.field) for one in load.evidence)
    assert len(load.evidence) == 5


def test_a_load_expires_when_the_hours_it_is_for_are_over() -> None:
    facts = snapshot(models={"a/a": model()}, rows=at_hours("a/a", (9, 10, 11)))
    assert [one.expires_in_s for one in told(facts)] == [int(3.5 * 3_600)]
    short = snapshot(models={"a/a": model()}, rows=at_hours("a/a", (9,)))
    assert [one.expires_in_s for one in told(short)] == [int(1.5 * 3_600)]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(at_hours("a/a", (9, 10), range(1, 4)), id="three days are too few"),
        pytest.param(at_hours("a/a", (15, 16)), id="it comes in the afternoon"),
        pytest.param(at_hours("a/a", range(24)), id="it is there at all hours"),
        pytest.param(at_hours("a/a", (9,), (1, 4, 6, 9, 13, 15, 20)), id="it comes now and then"),
        pytest.param([], id="it was never used"),
    ],
)
def test_else_nothing_is_loaded(rows: list[UseRow]) -> None:
    assert told(snapshot(models={"a/a": model()}, rows=rows)) == []


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_use_at_any_time_foretells_nothing(share: float) -> None:
    draw = random.Random(7)
    names = [f"a/{number}" for number in range(8)]
    rows = [row(-hour, name) for name in names for hour in range(1, 700) if draw.random() < share]
    assert told(snapshot(models={name: model() for name in names}, rows=rows)) == []


def test_what_comes_on_working_days_is_not_loaded_on_saturday() -> None:
    facts = snapshot(models={"a/a": model()}, rows=at_hours("a/a", (9, 10), WORKING_DAYS))
    assert said(facts) == [(Kind.LOAD, "a/a")]
    tomorrow = [*at_hours("a/a", (9, 10), WORKING_DAYS), *at_hours("a/a", (9, 10), (0,))]
    saturday = replace(
        snapshot(models={"a/a": model()}, rows=tomorrow), taken_us=facts.taken_us + DAY_US
    )
    assert told(saturday) == []


def test_what_comes_every_third_day_is_loaded_on_the_third() -> None:
    rows = at_hours("a/a", (9, 13, 17), range(3, 28, 3))
    assert said(snapshot(models={"a/a": model()}, rows=rows)) == [(Kind.LOAD, "a/a")]
    rows = at_hours("a/a", (9, 13, 17), range(2, 28, 3))
    assert told(snapshot(models={"a/a": model()}, rows=rows)) == []


def test_what_is_there_is_not_loaded_and_what_may_not_be_is_not_proposed() -> None:
    rows = at_hours("a/a", (9, 10, 11))
    for facts in (in_memory(), model(trust="quarantined"), model(state="loading")):
        assert told(snapshot(models={"a/a": facts}, rows=rows)) == []
    assert told(snapshot(models={"a/a": model(need_bytes=49 * GIB)}, rows=rows)) == []


def test_use_after_the_snapshot_was_taken_is_not_looked_at() -> None:
    rows = at_hours("a/a", (9, 10, 11), range(21))
    assert said(snapshot(models={"a/a": model()}, rows=rows)) == [(Kind.LOAD, "a/a")]


def two_in_memory(**spare: object) -> Snapshot:
    """`b/kept` comes at these hours too, but was used longest ago; `c/spare` comes at night."""
    big = {"resident_bytes": 20 * GIB, "need_bytes": 20 * GIB}
    return snapshot(
        models={
            "a/wanted": model(need_bytes=20 * GIB),
            "b/kept": in_memory(**big, last_used_us=1),
            "c/spare": in_memory(**{**big, "last_used_us": 2, **spare}),
        },
        rows=[
            *at_hours("a/wanted", (9, 10)),
            *at_hours("b/kept", (9, 10)),
            *at_hours("c/spare", (20, 21)),
        ],
        models_budget_bytes=48 * GIB,
    )


def test_who_is_least_likely_to_be_missed_leaves_first() -> None:
    unload, load = told(two_in_memory())
    assert (unload.kind, unload.target) == (Kind.UNLOAD, "c/spare")
    assert (load.kind, load.target) == (Kind.LOAD, "a/wanted")
    assert unload.predicts == {"memory_freed_bytes": 20 * GIB}
    assert "a/wanted is about to be used" in unload.reason
    assert "1 model would leave" in load.reason


def test_nobody_is_named_to_leave_where_the_server_would_choose_as_well() -> None:
    assert said(two_in_memory(last_used_us=0)) == [(Kind.LOAD, "a/wanted")]


def test_nothing_is_loaded_where_that_costs_as_much_as_it_saves() -> None:
    assert told(two_in_memory(pinned=True, last_used_us=NOW_US)) == []


def test_at_most_ten_are_proposed_and_no_room_is_made_for_nothing() -> None:
    names = [f"a/{number:02}" for number in range(14)]
    rows = [one for name in names for one in at_hours(name, (9, 10))]
    small = {name: model(need_bytes=GIB) for name in names}
    facts = snapshot(models=small, rows=rows)
    assert len(told(facts)) == MOST
    kinds = [one.kind for one in told(facts)]
    assert kinds[-1] is Kind.LOAD


def test_a_calendar_looks_back_and_never_at_the_day_itself() -> None:
    assert all(lag >= 1 for calendar in CALENDARS for lags in calendar.lags for lag in lags)
    hours = hours_of(snapshot(models={"a/a": model()}, rows=at_hours("a/a", (9,), (2, 1))))
    used = hours.used["a/a"]
    assert used == 1 << 9 | 1 << 33
    two_of_three = Calendar("", ((1, 2, 3),) * 7, 2)
    assert expected(two_of_three, hours, used) == 1 << 57
    assert expected(Calendar("", ((1,),) * 7, 1), hours, used) == 1 << 33 | 1 << 57


def test_a_surplus_is_believed_only_where_chance_cannot_explain_it() -> None:
    assert surplus(10, 10) == surplus(3, 10) == 0
    assert surplus(6, 0.5) < NATS < surplus(12, 0.6)
