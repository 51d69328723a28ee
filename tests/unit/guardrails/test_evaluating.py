"""What is bound is decided: outcomes, scopes, errors, histories."""

from typing import Any

import pytest

from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.looking import taken
from app.authority.guardrails.plans import Look
from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.series import series_key, series_parts
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Action, Composite, Operator, Point, Scope
from app.authority.guardrails.verdicts import CannotRead
from tests.unit.guardrails.guarded import (
    AT_US,
    HOUR,
    NOTHING,
    above,
    asked,
    both,
    bound,
    either,
    leaf,
    no,
    one_of,
    read,
    rises,
)

LARGE = above("model_size", 20)
UNUSUAL = leaf("latency", "z_score", direction="above", threshold=3, window=HOUR)
TICK = (Point.TICK,)


def decided(
    *bounds: Any, point: Point = Point.LOAD, histories: Any = NOTHING, **values: Any
) -> Any:
    return evaluate(Ruleset(bounds), asked(point), read(**values), histories)


# --- outcomes -------------------------------------------------------------------------------


def test_nothing_bound_is_allowed_and_recorded() -> None:
    done = decided()
    assert (done.outcome, done.verdicts, done.errors) == ("allow", (), ())
    assert from_bytes(done.record)["verdicts"] == []


def test_a_condition_that_is_met_asks_for_its_action() -> None:
    done = decided(bound("large", LARGE), model_size=21)
    [verdict] = done.verdicts
    assert (done.outcome, verdict.triggered, verdict.reason) == ("block", True, None)
    assert verdict.sentence.startswith(
        "Blocked by large (version 1): model size is 21 bytes, above"
    )


def test_a_condition_that_is_not_met_is_a_verdict_with_its_reason() -> None:
    done = decided(bound("large", LARGE), model_size=20)
    [verdict] = done.verdicts
    assert (done.outcome, verdict.triggered, verdict.reason) == ("allow", False, Reason.NO_MATCH)


@pytest.mark.parametrize(
    ("actions", "outcome"),
    [
        ([Action.ALERT], "alert"),
        ([Action.ALERT, Action.REQUIRE_APPROVAL], "require_approval"),
        ([Action.BLOCK, Action.ALERT, Action.REQUIRE_APPROVAL], "block"),
        ([Action.REQUIRE_APPROVAL, Action.BLOCK], "block"),
    ],
)
def test_the_strictest_action_follows(actions: list[Action], outcome: str) -> None:
    bounds = [bound(f"t{i}", LARGE, action) for i, action in enumerate(actions)]
    done = decided(*bounds, bound("calm", above("model_size", 99)), model_size=21)
    assert done.outcome == outcome
    assert sum(verdict.triggered for verdict in done.verdicts) == len(actions)


def test_rules_of_other_points_are_not_asked() -> None:
    done = decided(bound("large", LARGE, points=(Point.PULL, Point.DELETE)), model_size=21)
    assert (done.outcome, done.verdicts) == ("allow", ())


# --- data that is not there -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reading", "reason"),
    [
        (Reading(None), Reason.NULL_INPUT),
        (Reading(None, Reason.NULL_INPUT), Reason.NULL_INPUT),
        (Reading(float("nan")), Reason.NULL_INPUT),
        (Reading(float("inf")), Reason.NULL_INPUT),
    ],
)
def test_what_is_not_known_is_not_met(reading: Reading, reason: Reason) -> None:
    done = decided(bound("large", LARGE), model_size=reading)
    assert (done.outcome, done.verdicts[0].reason, done.errors) == ("allow", reason, ())


@pytest.mark.parametrize("condition", [UNUSUAL, rises("latency", 0.1)])
def test_a_fresh_install_denies_nothing_for_want_of_history(condition: Any) -> None:
    done = decided(bound("calm", condition), latency=9.0)
    assert (done.outcome, done.errors) == ("allow", ())
    assert done.verdicts[0].reason is Reason.INSUFFICIENT_HISTORY


def test_unknown_is_not_turned_into_a_yes() -> None:
    done = decided(bound("calm", no(UNUSUAL)), latency=9.0)
    assert (done.outcome, done.verdicts[0].reason) == ("allow", Reason.INSUFFICIENT_HISTORY)


def test_what_is_known_decides_where_the_rest_cannot_change_it() -> None:
    done = decided(
        bound("any", either(UNUSUAL, LARGE)),
        bound("all", both(UNUSUAL, above("model_size", 99))),
        bound("open", both(UNUSUAL, LARGE)),
        model_size=21,
        latency=9.0,
    )
    found = {v.task: (v.triggered, v.reason) for v in done.verdicts}
    assert found == {
        "all": (False, Reason.NO_MATCH),
        "any": (True, None),
        "open": (False, Reason.INSUFFICIENT_HISTORY),
    }


# --- errors ---------------------------------------------------------------------------------

BROKEN: list[dict[str, Any]] = [
    {"model_size": RuntimeError("disk")},
    {"model_size": CannotRead("the catalogue is closed")},
    {"model_size": "text"},
    {"model_size": 2**70},
    {},
]


@pytest.mark.parametrize("values", BROKEN)
@pytest.mark.parametrize("action", list(Action))
def test_an_error_blocks_at_an_act_point_whatever_the_rule_asks_for(
    values: dict[str, Any], action: Action
) -> None:
    done = decided(bound("large", LARGE, action), **values)
    assert (done.outcome, done.verdicts, len(done.errors)) == ("block", (), 1)
    assert done.errors[0].startswith("large (version 1) could not be evaluated: ")
    assert from_bytes(done.record)["errors"][0][:2] == ["large", 1]


def test_an_error_on_the_tick_is_an_alert() -> None:
    rule = bound("slow", above("latency", 3), Action.ALERT, TICK)
    done = decided(rule, point=Point.TICK, latency=OSError("gone"))
    assert (done.outcome, len(done.errors)) == ("alert", 1)


def test_a_history_that_cannot_be_read_is_an_error() -> None:
    class Closed:
        def of(self, *_: Any) -> Any:
            raise OSError("closed")

        mark = of

    done = decided(bound("unusual", UNUSUAL), histories=Closed(), latency=1.0)
    assert done.outcome == "block"
    assert "OSError: closed" in done.errors[0]


def test_a_summary_that_json_cannot_hold_is_refused() -> None:
    class Endless:
        def summary(self, *_: Any) -> dict[str, float]:
            return {"mean": float("inf")}

    look = Look(0, Endless(), {}, "endless@1", ("endless@1", b"{}"), 0, steady=True)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="beyond every number"):
        taken(look, [], AT_US)


def test_one_rule_that_fails_takes_no_other_with_it() -> None:
    done = decided(
        bound("large", LARGE, Action.ALERT),
        bound("publisher", one_of("model_publisher", "evil"), Action.REQUIRE_APPROVAL),
        model_size=OSError("x"),
        model_publisher="evil",
    )
    assert [v.task for v in done.verdicts if v.triggered] == ["publisher"]
    assert [f.task for f in done.failures] == ["large"]
    assert done.outcome == "block"


def test_a_composite_with_too_few_operands_is_an_error() -> None:
    done = decided(bound("odd", Composite(Operator.AND, (LARGE,))), model_size=1)
    assert (done.outcome, done.verdicts) == ("block", ())
    assert "at least two operands" in done.errors[0]


# --- scopes ---------------------------------------------------------------------------------


def test_a_series_has_its_scope_and_key_in_its_name() -> None:
    for named in (("latency", Scope.ALL, ""), ("latency", Scope.MODEL, "a/b@c:d")):
        assert series_parts(series_key(*named)) == named
    assert series_key("latency", Scope.MODEL, "lmx/starter") == "latency@model:lmx/starter"


def test_at_an_act_a_scoped_condition_looks_at_who_asks_and_what_about() -> None:
    rules = Ruleset(
        [
            bound("model", above("latency", 3, Scope.MODEL)),
            bound("actor", above("error_rate", 0.5, Scope.ACTOR)),
        ]
    )
    readings = read(
        **{
            "latency@model:lmx/starter": 4.0,
            "latency@model:other": 9.0,
            "error_rate@actor:key:ab12": 0.1,
            "error_rate@actor:other": 0.9,
        }
    )
    done = evaluate(rules, asked(), readings, NOTHING)
    assert [(v.task, v.key, v.triggered) for v in done.verdicts] == [
        ("actor", "actor:key:ab12", False),
        ("model", "model:lmx/starter", True),
    ]
    assert "lmx/starter's latency is 4" in done.verdicts[1].sentence


def test_a_model_nobody_read_anything_of_is_no_data_and_no_error() -> None:
    done = decided(bound("model", above("latency", 3, Scope.MODEL)))
    assert (done.outcome, done.errors) == ("allow", ())
    assert done.verdicts[0].reason is Reason.NULL_INPUT


def test_on_the_tick_every_key_that_was_read_is_asked() -> None:
    rule = bound(
        "actor",
        both(above("error_rate", 0.5, Scope.ACTOR), above("sink_lag", 1)),
        Action.ALERT,
        TICK,
    )
    readings = read(
        **{
            "error_rate@actor:b": 0.9,
            "error_rate@actor:a": 0.1,
            "latency@model:m": 1.0,
            "sink_lag": 5,
        }
    )
    done = evaluate(Ruleset([rule]), asked(Point.TICK), readings, NOTHING)
    assert [(v.key, v.triggered) for v in done.verdicts] == [("actor:a", False), ("actor:b", True)]
    assert (done.outcome, done.errors) == ("alert", ())


def test_models_and_actors_at_once_are_asked_in_pairs() -> None:
    condition = both(above("error_rate", 0.5, Scope.ACTOR), above("latency", 1, Scope.MODEL))
    rule = bound("pair", condition, Action.ALERT, TICK)
    names = [f"error_rate@actor:{a}" for a in "ab"] + [f"latency@model:{m}" for m in "xy"]
    done = evaluate(Ruleset([rule]), asked(Point.TICK), read(**dict.fromkeys(names, 2.0)), NOTHING)
    assert [v.key for v in done.verdicts] == [f"model:{m} actor:{a}" for m in "xy" for a in "ab"]
