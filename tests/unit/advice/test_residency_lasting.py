"""What lasts: pin what is used through all hours, keep what leaves too soon, let go of the rest."""

from typing import Any

from app._experimental.residency import RESIDENCY
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot, UseRow
from tests.fakes.advisors import advised
from tests.fakes.snapshots import DAY_US, GIB, NOW_US, in_memory, model, row, snapshot


def told(facts: Snapshot) -> list[Proposal]:
    return advised(RESIDENCY, facts)


def all_hours(name: str, **changes: Any) -> list[UseRow]:
    """Used in every hour of twenty days; each night at the same hour somebody waits for a load."""
    return [row(-hour, name, cold=int(hour % 24 == 5), **changes) for hour in range(1, 480)]


def test_what_is_used_at_all_hours_and_still_waited_for_is_pinned() -> None:
    facts = snapshot(models={"a/a": model(need_bytes=2 * GIB)}, rows=all_hours("a/a"))
    (pin,) = told(facts)
    assert (pin.kind, pin.target) == (Kind.PIN, "a/a")
    assert pin.predicts == {"cold_starts_avoided": 7}
    assert pin.confidence >= 90
    assert "168 of the last 168 hours" in pin.reason or "167 of the last 168" in pin.reason


def test_it_is_not_pinned_where_another_would_not_fit_any_more() -> None:
    models = {"a/a": model(need_bytes=2 * GIB), "b/big": model(need_bytes=47 * GIB)}
    rows = [*all_hours("a/a"), row(-40, "b/big")]
    assert told(snapshot(models=models, rows=rows)) == []


def test_it_is_not_pinned_where_all_of_an_hour_do_not_fit_together() -> None:
    models = {f"a/{number}": model(need_bytes=20 * GIB) for number in range(3)}
    rows = [one for name in models for one in all_hours(name)]
    assert told(snapshot(models=models, rows=rows)) == []


def test_it_is_not_pinned_twice_nor_where_nobody_waited() -> None:
    pinned = in_memory(pinned=True, last_used_us=NOW_US)
    assert told(snapshot(models={"a/a": pinned}, rows=all_hours("a/a"))) == []
    quiet = [one._replace(cold=0) for one in all_hours("a/a")]
    assert told(snapshot(models={"a/a": model()}, rows=quiet)) == []


def by_fits_and_starts() -> list[UseRow]:
    """Seven hours of every day, in each but the first of which it had left before it was used."""
    return [
        row(-24 * day - hour, "a/a", cold=int(hour < 9))
        for day in range(1, 10)
        for hour in range(3, 10)
    ]


def test_what_leaves_for_being_idle_before_it_is_used_again_is_kept_longer() -> None:
    (terms,) = told(snapshot(models={"a/a": in_memory()}, rows=by_fits_and_starts()))
    assert (terms.kind, terms.change) == (Kind.TERMS, {"idle_s": 7_200})
    assert terms.predicts["cold_starts_avoided"] >= 36
    assert "after 1 hour without use" in terms.reason


def test_what_is_never_unloaded_for_being_idle_or_late_enough_is_left_alone() -> None:
    for idle_s in (0, 7_200):
        facts = in_memory(terms_idle_s=idle_s)
        assert told(snapshot(models={"a/a": facts}, rows=by_fits_and_starts())) == []


def unused(**changes: Any) -> Snapshot:
    """A model that was used for five days, three weeks ago, and another that is in use."""
    old = in_memory(last_used_us=NOW_US - 20 * DAY_US, terms_idle_s=0, **changes)
    rows = [row(-24 * day, "a/old") for day in range(20, 25)]
    models = {"a/old": old, "b/new": in_memory(last_used_us=NOW_US)}
    return snapshot(models=models, rows=[*rows, row(-1, "b/new")])


def test_what_nobody_uses_any_more_is_unloaded_and_the_bytes_are_said() -> None:
    (unload,) = told(unused())
    assert (unload.kind, unload.target) == (Kind.UNLOAD, "a/old")
    assert unload.predicts == {"memory_freed_bytes": 6 * GIB}
    assert unload.confidence == 95
    assert "not used for 20 days" in unload.reason


def test_what_is_pinned_and_nobody_uses_is_no_longer_pinned() -> None:
    (unpin,) = told(unused(pinned=True))
    assert (unpin.kind, unpin.target, unpin.predicts) == (Kind.UNPIN, "a/old", {})


def test_nothing_is_let_go_of_before_two_weeks_are_known() -> None:
    old = in_memory(last_used_us=NOW_US - 20 * DAY_US, terms_idle_s=0)
    models = {"a/old": old, "b/new": in_memory(last_used_us=NOW_US)}
    assert told(snapshot(models=models, rows=[row(-24 * 5, "b/new"), row(-1, "b/new")])) == []
