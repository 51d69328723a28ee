"""What is bound is decided: outcomes, scopes, errors, histories."""

import json
from typing import Any

import pytest

from app.authority.guardrails.evaluating import CannotRead, Ruleset, bind, evaluate, series_key
from app.authority.guardrails.looking import taken
from app.authority.guardrails.records import FORM, digest_of, from_bytes, is_whole
from app.authority.guardrails.rulesets import Look, series_parts
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Action, Composite, Operator, Point, Reference, Scope
from app.domain.refusals import GuardrailViolated
from tests.unit.guardrails.guarded import (
    AT_US,
    HOUR,
    MINUTE_US,
    NOTHING,
    Observed,
    above,
    asked,
    both,
    bound,
    defined,
    either,
    leaf,
    no,
    one_of,
    read,
    rises,
    rows,
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


# --- histories ------------------------------------------------------------------------------


def test_the_history_is_that_of_the_window_before_the_time() -> None:
    histories = Observed(latency=[1.0, 2.0] * 30)  # one a minute: exactly the last hour
    histories.add("latency", [900.0] * 50, last_us=AT_US + 60 * MINUTE_US)
    done = decided(bound("unusual", UNUSUAL), histories=histories, latency=3.1)
    summary = from_bytes(done.record)["summaries"]
    assert summary == [
        ["latency", "z_score@1", {"window": HOUR}, {"mean": 1.5, "n": 60, "std": 0.5}]
    ]
    assert done.verdicts[0].measures == (pytest.approx(3.2),)
    assert done.outcome == "block"


def test_equal_looks_are_taken_once_and_held_while_nothing_is_observed() -> None:
    rules = Ruleset(
        [
            bound(
                f"t{i}", leaf("latency", "z_score", direction="above", threshold=i + 1, window=HOUR)
            )
            for i in range(9)
        ]
    )
    histories = Observed(latency=[1.0, 2.0] * 20)
    first = evaluate(rules, asked(), read(latency=2.0), histories)
    assert histories.asked == ["latency"]
    assert len(from_bytes(first.record)["summaries"]) == 1
    taken = list(rules.remembered(histories).values())
    evaluate(rules, asked(at_us=AT_US + 1), read(latency=2.0), histories)
    assert list(rules.remembered(histories).values()) == taken
    histories.add("latency", [9.0], last_us=AT_US + 2)
    later = evaluate(rules, asked(at_us=AT_US + 3), read(latency=2.0), histories)
    assert from_bytes(later.record)["summaries"][0][3]["n"] == 41


def test_what_was_remembered_is_what_would_be_found_anew() -> None:
    bounds = [bound("up", rises("latency", 0.5)), bound("unusual", UNUSUAL)]
    kept, histories = Ruleset(bounds), Observed(latency=[float(i % 7) for i in range(200)])
    for step in range(0, 90, 4):
        question = asked(at_us=AT_US + step * MINUTE_US // 3)
        one = evaluate(kept, question, read(latency=5.0), histories)
        other = evaluate(Ruleset(bounds), question, read(latency=5.0), histories)
        assert one.record == other.record


def test_one_history_is_not_taken_for_another() -> None:
    rules = Ruleset([bound("unusual", UNUSUAL)])
    low, high = Observed(latency=[1.0, 1.5, 1.0] * 10), Observed(latency=[1.0, 9.0, 1.0] * 10)
    for histories in (low, high, low):
        done = evaluate(rules, asked(), read(latency=2.0), histories)
        fresh = evaluate(Ruleset(rules.bounds), asked(), read(latency=2.0), histories)
        assert done.record == fresh.record


# --- rulesets -------------------------------------------------------------------------------


def test_a_ruleset_says_what_it_reads_and_how_far_back() -> None:
    rules = Ruleset(
        [
            bound("a", both(LARGE, rises("latency", 1, Scope.MODEL))),
            bound(
                "b",
                leaf("latency", "z_score", Scope.MODEL, direction="above", threshold=1, window=9),
            ),
            bound("c", above("sink_lag", 1), Action.ALERT, TICK),
        ]
    )
    assert rules.reads(Point.LOAD) == {("model_size", Scope.ALL), ("latency", Scope.MODEL)}
    assert rules.windows(Point.LOAD) == {("latency", Scope.MODEL): 2 * HOUR}
    assert rules.reads(Point.TICK) == {("sink_lag", Scope.ALL)}
    assert rules.windows(Point.TICK) == {}
    assert [each.task for each in rules.at(Point.LOAD)] == ["a", "b"]


def test_a_rulesets_hash_is_of_what_is_bound_in_any_order() -> None:
    one, other = bound("a", LARGE), bound("b", LARGE)
    assert Ruleset([one, other]).hash == Ruleset([other, one]).hash
    assert len({Ruleset(b).hash for b in ([], [one], [other], [one, other])}) == 4
    assert Ruleset([one]).hash != Ruleset([bound("a", LARGE, version=2)]).hash


def test_references_are_replaced_by_what_they_stand_for() -> None:
    inner, middle = defined("inner", LARGE), defined("middle", no(Reference("inner", 1)))
    known = {("inner", 1): inner, ("middle", 1): middle}
    outer = bind(defined("outer", either(Reference("middle", 1), LARGE)), known)
    assert outer.condition == either(no(LARGE), LARGE)


@pytest.mark.parametrize(
    ("condition", "rule"),
    [
        (Reference("inner", 2), "unknown_reference"),
        (Reference("nobody", 1), "unknown_reference"),
        (Reference("outer", 1), "circular_reference"),
        (no(Reference("ring", 1)), "circular_reference"),
        (leaf("model_size", "guessing", value=1), "unknown_strategy"),
    ],
)
def test_what_cannot_be_bound_is_refused(condition: Any, rule: str) -> None:
    known = {
        ("inner", 1): defined("inner", LARGE),
        ("ring", 1): defined("ring", no(Reference("gnir", 1))),
        ("gnir", 1): defined("gnir", no(Reference("ring", 1))),
    }
    outer = defined("outer", LARGE)
    outer = type(outer)(
        id="outer",
        version=1,
        resolution=type(outer.resolution)(
            intent=outer.resolution.intent,
            condition=condition,
            trace=outer.resolution.trace,
            guardrails=outer.resolution.guardrails,
        ),
        ir_hash=outer.ir_hash,
        binding_hash=outer.binding_hash,
    )
    with pytest.raises(GuardrailViolated) as refused:
        bind(outer, known | {("outer", 1): outer})
    assert refused.value.details["violations"][0]["rule"] == rule


# --- records --------------------------------------------------------------------------------


def test_a_record_is_canonical_and_holds_everything() -> None:
    done = decided(
        bound("large", LARGE),
        histories=NOTHING,
        model_size=21,
        memory_pressure=0.25,
        model_format="gguf",
    )
    body = json.loads(done.record)
    assert json.dumps(body, sort_keys=True, separators=(",", ":")).encode() == done.record
    assert body["v"] == FORM
    assert body["readings"] == {"model_size": 21, "memory_pressure": 0.25, "model_format": "gguf"}
    assert (body["at_us"], body["point"]) == (AT_US, "load")
    assert (body["subject"], body["actor"]) == ("lmx/starter", "key:ab12")
    assert rows(body)["large"][3:] == ["", "block", True, None, [None]]
    assert is_whole(done.record)
    assert done.digest == digest_of(done.record)


def test_equal_questions_have_equal_records() -> None:
    one, other = (
        decided(bound("a", LARGE), bound("b", LARGE), model_size=1.5, latency=2.0) for _ in range(2)
    )
    again = decided(bound("b", LARGE), bound("a", LARGE), latency=2.0, model_size=1.5)
    assert one.record == other.record == again.record


def test_text_that_is_no_unicode_is_recorded_and_decided() -> None:
    question = type(asked())(at_us=AT_US, point=Point.LOAD, subject="\ud800", actor="k\udfff")
    rules = Ruleset([bound("publisher", one_of("model_publisher", "x"))])
    done = evaluate(rules, question, read(model_publisher="\ud800"), NOTHING)
    assert done.outcome == "allow"
    assert from_bytes(done.record)["subject"] == "\\ud800"
