"""What another rule would have meant, decided over what was recorded."""

from collections.abc import Iterable
from typing import Any

import pytest

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.impact import DAY_US, impact, impacts
from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Reading
from app.authority.guardrails.values import Action, Point, Scope
from app.authority.guardrails.verdicts import Asked
from tests.unit.guardrails.guarded import (
    AT_US,
    HOUR,
    NOTHING,
    Observed,
    above,
    bound,
    leaf,
    rises,
)

TICK = (Point.TICK,)
SECOND_US = 1_000_000


def recorded(
    point: Point, readings: Iterable[dict[str, Any]], every_us: int, rules: Ruleset | None = None
) -> list[dict[str, Any]]:
    """One record for each set of readings, `every_us` apart."""
    records = []
    for step, values in enumerate(readings):
        question = Asked(at_us=AT_US + step * every_us, point=point, subject="m", actor="k")
        given = {name: Reading(value) for name, value in values.items()}
        done = evaluate(rules or Ruleset([]), question, given, NOTHING)
        records.append(from_bytes(done.record))
    return records


def large(value: float) -> Bound:
    return bound("large", above("model_size", value))


def test_each_decision_at_an_act_counts() -> None:
    sizes = [{"model_size": size} for size in range(21)]
    told = impact(recorded(Point.LOAD, sizes, DAY_US // 10), large(15), large(10))
    assert (told.days, told.evaluations, told.before, told.after) == (2.0, 21, 5, 10)
    assert (told.per_day, told.notes) == ("+2.5", ())


def test_a_rule_that_is_met_less_often_has_a_minus() -> None:
    sizes = [{"model_size": size} for size in range(21)]
    told = impact(recorded(Point.LOAD, sizes, DAY_US // 10), large(10), large(15))
    assert told.per_day == "-2.5"
    assert impact(recorded(Point.LOAD, sizes, DAY_US // 10), large(10), large(10)).per_day == "+0.0"


def test_a_rule_that_is_new_or_gone_is_compared_with_none() -> None:
    records = recorded(Point.LOAD, [{"model_size": 20}] * 3, DAY_US)
    assert impact(records, None, large(10)).per_day == "+1.5"
    assert impact(records, large(10), None).per_day == "-1.5"


def test_on_the_tick_what_stays_true_counts_once() -> None:
    lags = [5, 15, 15, 15, 5, 15, 5, 5, 25]
    records = recorded(Point.TICK, [{"sink_lag": lag} for lag in lags], DAY_US // 4)
    before = bound("lag", above("sink_lag", 20), Action.ALERT, TICK)
    after = bound("lag", above("sink_lag", 10), Action.ALERT, TICK)
    told = impact(records, before, after)
    assert (told.evaluations, told.before, told.after, told.per_day) == (9, 1, 3, "+1.0")


def test_every_key_rises_for_itself() -> None:
    names = ("error_rate@actor:a", "error_rate@actor:b")
    rates = [(0, 0), (1, 0), (1, 1), (0, 1), (1, 1)]
    records = recorded(
        Point.TICK, [dict(zip(names, pair, strict=True)) for pair in rates], DAY_US // 2
    )
    after = bound("errors", above("error_rate", 0.5, Scope.ACTOR), Action.ALERT, TICK)
    assert impact(records, None, after).after == 3


def test_the_history_is_that_of_the_records_before() -> None:
    attempts = [{"blocked_attempts": 4 if minute < 70 else 9} for minute in range(90)]
    records = recorded(Point.TICK, attempts, 60 * SECOND_US)
    before = bound("rising", rises("blocked_attempts", 2), Action.ALERT, TICK)
    after = bound("rising", rises("blocked_attempts", 1), Action.ALERT, TICK)
    told = impact(records, before, after)
    assert (told.before, told.after) == (0, 1)
    assert "60 of 90 evaluations had no data to decide with (insufficient history)." in told.notes


def test_facts_about_an_acts_subject_have_a_history_at_each_point() -> None:
    top = leaf("model_size", "percentile", direction="top", value=10, window=HOUR)
    rule = bound("top", top, points=(Point.LOAD, Point.PULL))
    pulls = recorded(Point.PULL, [{"model_size": i % 10} for i in range(40)], SECOND_US)
    loads = recorded(Point.LOAD, [{"model_size": 100}], SECOND_US)
    for each in loads:
        each["at_us"] += 50 * SECOND_US
    assert impact([*pulls, *loads], None, rule).after == impact(pulls, None, rule).after


def test_numbers_of_the_whole_system_have_the_ticks_history_alone() -> None:
    attempts = [{"blocked_attempts": 1}] * 90
    loads = recorded(Point.LOAD, attempts, 60 * SECOND_US)
    loads += recorded(Point.LOAD, [{"blocked_attempts": 9}] * 91, 60 * SECOND_US)[90:]
    rule = bound("rising", rises("blocked_attempts", 1))
    assert impact(loads, None, rule).after == 0


def test_a_few_hours_are_not_counted_as_less_than_a_day() -> None:
    loads = recorded(Point.LOAD, [{"model_size": 20}] * 3, DAY_US // 24)
    told = impact(loads, None, large(10))
    assert (told.days, told.per_day) == (1.0, "+3.0")


def test_a_summary_that_was_recorded_is_taken_as_it_is() -> None:
    rule = bound("rising", rises("blocked_attempts", 1), Action.ALERT, TICK)
    histories = Observed(blocked_attempts=[4.0] * 120)
    question = Asked(at_us=AT_US, point=Point.TICK)
    done = evaluate(Ruleset([rule]), question, {"blocked_attempts": Reading(9)}, histories)
    after = bound("rising", rises("blocked_attempts", 2), Action.ALERT, TICK)
    told = impact([from_bytes(done.record)], rule, after)
    assert (told.before, told.after) == (1, 0)


def test_what_was_never_read_is_not_met_and_said() -> None:
    records = recorded(Point.LOAD, [{"model_size": 1}] * 4, DAY_US)
    told = impact(records, large(10), bound("large", above("model_memory_share", 0.1)))
    assert (told.after, told.evaluations) == (0, 4)
    assert told.notes == ("4 of 4 evaluations had no data to decide with (null input).",)


@pytest.mark.parametrize(
    ("records", "note"),
    [
        ([], "Nothing was recorded where this rule is asked: no estimate can be made."),
        (
            recorded(Point.PULL, [{"model_size": 99}] * 5, DAY_US),
            "Nothing was recorded where this rule is asked: no estimate can be made.",
        ),
        (
            recorded(Point.LOAD, [{"model_size": 99}], DAY_US),
            "Less than a day was recorded: the estimate says little.",
        ),
    ],
)
def test_too_little_to_tell_is_said(records: list[dict[str, Any]], note: str) -> None:
    told = impact(records, large(10), large(5))
    assert told.notes == (note,)
    assert told.per_day == "+0.0"
    assert told.as_dict()["notes"] == [note]


def test_changes_are_told_together_as_each_by_itself() -> None:
    sizes = [{"model_size": n} for n in (5, 12, 20)]
    records = recorded(Point.LOAD, sizes, DAY_US)
    changes = [(large(10), large(15)), (None, large(4)), (large(1), None)]
    assert impacts(records, changes) == [impact(records, *change) for change in changes]


def test_what_is_only_history_is_not_decided_and_no_day_of_the_impact() -> None:
    rule = bound("rising", rises("queue_depth", 0.5), points=TICK)
    depths = [{"queue_depth": depth} for depth in (4, 4, 8, 8, 20)]
    records = recorded(Point.TICK, depths, HOUR * SECOND_US)
    (told,) = impacts(records, [(None, rule)], earlier=3)
    assert (told.evaluations, told.after) == (2, 1)
    (fresh,) = impacts(records[3:], [(None, rule)])
    assert fresh.notes != told.notes
