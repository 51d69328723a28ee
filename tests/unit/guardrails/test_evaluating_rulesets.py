"""What deciding is prepared from: histories, what is bound; and the record that comes of it."""

import json
from typing import Any

import pytest

from app.authority.guardrails.binding import bind
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.records import FORM, digest_of, from_bytes, is_whole
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.values import Action, Point, Reference, Scope
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


def test_a_reference_moves_on_while_nothing_is_observed() -> None:
    rules, histories = Ruleset([bound("up", rises("latency", 0.5))]), Observed()
    histories.add("latency", [1.0], last_us=AT_US - 61 * MINUTE_US)
    histories.add("latency", [9.0], last_us=AT_US - 59 * MINUTE_US)
    for at_us, reference in ((AT_US, 1.0), (AT_US + 2 * MINUTE_US, 9.0)):
        done = evaluate(rules, asked(at_us=at_us), read(latency=2.0), histories)
        assert from_bytes(done.record)["summaries"][0][3] == {"n": 1, "reference": reference}


def test_a_window_of_as_many_others_is_another_window() -> None:
    rules = Ruleset([bound("unusual", UNUSUAL)])
    histories = Observed(latency=[1.0, 2.0] * 30)
    first = evaluate(rules, asked(), read(latency=2.0), histories)
    histories.add("latency", [50.0], last_us=AT_US)
    later = evaluate(rules, asked(at_us=AT_US + MINUTE_US), read(latency=2.0), histories)
    found = [from_bytes(each.record)["summaries"][0][3] for each in (first, later)]
    assert [each["n"] for each in found] == [60, 60]
    assert found[0]["mean"] < found[1]["mean"]


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
