"""Recorded decisions are decided again; what was altered shows, and where."""

from typing import Any

import orjson
import pytest

from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.records import digest_of, from_bytes, to_bytes
from app.authority.guardrails.replaying import recheck, replay
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Action, Point, Scope
from tests.unit.guardrails.guarded import (
    AT_US,
    HOUR,
    MINUTE_US,
    Observed,
    above,
    asked,
    both,
    bound,
    by_hash,
    leaf,
    no,
    one_of,
    read,
    rises,
)

UNUSUAL = leaf("latency", "z_score", Scope.MODEL, direction="above", threshold=3, window=HOUR)
BOUNDS = (
    bound("approve", above("model_memory_share", 0.5), Action.REQUIRE_APPROVAL),
    bound("formats", one_of("model_format", "safetensors", "gguf", negate=True)),
    bound("rising", both(rises("blocked_attempts", 0.5), above("blocked_attempts", 10))),
    bound("unusual", UNUSUAL),
    bound("broken", above("sink_lag", 1), Action.ALERT),
)
HISTORIES = Observed(
    blocked_attempts=[4.0] * 120,
    **{"latency@model:lmx/starter": [0.1, 0.25, 0.7] * 20},  # type: ignore[arg-type]
)
READINGS = read(
    model_memory_share=Reading(0.61),
    model_format=Reading("gguf"),
    blocked_attempts=14,
    sink_lag=OSError("closed"),
    **{"latency@model:lmx/starter": 0.3},
)
DONE = evaluate(Ruleset(BOUNDS, "d" * 64), asked(), READINGS, HISTORIES)
READ = from_bytes(DONE.record)["readings"]
LOOKED = from_bytes(DONE.record)["summaries"]
DEFINITIONS = by_hash(*BOUNDS)


def altered(**said: Any) -> bytes:
    """The record with other fields, sealed again as whoever rewrites it would."""
    body = from_bytes(DONE.record)
    del body["whole"]
    return to_bytes({**body, **said})[0]


def without(name: str, at: int) -> list[Any]:
    found = list(from_bytes(DONE.record)[name])
    del found[at]
    return found


def row(at: int, field: int, value: Any) -> list[Any]:
    rows = [list(each) for each in from_bytes(DONE.record)["verdicts"]]
    rows[at][field] = value
    return rows


def test_a_decision_comes_out_as_it_was_recorded() -> None:
    assert DONE.outcome == "block"
    assert replay(DONE.record, DEFINITIONS, DONE.digest).differences == ()
    assert replay(DONE.record, DEFINITIONS).identical


def test_the_record_alone_is_enough() -> None:
    later = by_hash(*reversed(BOUNDS), bound("newer", above("model_size", 1)))
    assert replay(DONE.record, later).identical


def test_every_altered_byte_shows() -> None:
    for place in range(len(DONE.record)):
        letter = DONE.record[place] ^ 1
        other = DONE.record[:place] + bytes([letter]) + DONE.record[place + 1 :]
        assert not replay(other, DEFINITIONS).identical, place


def test_a_record_that_was_cut_or_grew_is_not_identical() -> None:
    for other in (b"", b"{}", DONE.record[:-1], DONE.record + b" ", b"\xff" * 400, b"[" * 9000):
        replayed = replay(other, DEFINITIONS)
        assert not replayed.identical
        assert replayed.differences


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (altered(outcome="allow"), "The outcome was recorded as allow; decided again it is block."),
        (
            altered(verdicts=row(0, 5, False)),
            "approve (version 1) was recorded as not met (require_approval); decided again",
        ),
        (altered(verdicts=row(1, 6, "null_input")), "was recorded as not met (null_input, block)"),
        (altered(verdicts=row(2, 7, [2.6, None])), "rising (version 1) was recorded as met (2.6"),
        (altered(verdicts=row(0, 4, "alert")), "approve (version 1) was recorded as met (alert)"),
        (altered(verdicts=row(3, 3, "model:other")), "of model:other was recorded as not met"),
        (altered(verdicts=row(0, 0, "renamed")), "renamed (version 1) was recorded as met"),
        (altered(verdicts=[*row(0, 0, "approve"), row(0, 0, "approve")[0]]), "more than once"),
        (altered(verdicts=row(0, 0, "approve")[::-1]), "in another order"),
        (altered(errors=[]), "lacks verdicts of rules"),
        (altered(verdicts=without("verdicts", 1)), "lacks verdicts of rules"),
        (altered(readings={}), "approve (version 1) was recorded as met"),
        (altered(summaries=[]), "no summary of blocked_attempts"),
        (altered(summaries=without("summaries", 0)), "no summary of blocked_attempts"),
        (altered(readings=READ | {"model_format": "exe"}), "formats (version 1) was recorded"),
        (altered(subject="other/model"), "unusual (version 1) of model:other/model"),
        (altered(point="nowhere"), "cannot be decided again"),
        (altered(point="pull"), "decided again it is nothing"),
        (altered(readings={"model_format": [1, 2, 3]}), "cannot be decided again"),
        (altered(verdicts=[["formats"]]), "cannot be decided again"),
        (altered(readings=READ | {"model_memory_share": None}), "lacks readings"),
        (altered(summaries=[*LOOKED, ["x", "change@1", {}, {}]]), "summaries that nothing was"),
        (altered(verdicts=None), "cannot be decided again"),
        (altered(unasked=[["x", 1, "y"]]), "There is no definition of x"),
    ],
)  # fmt: skip
def test_what_was_altered_is_said(record: bytes, says: str) -> None:
    replayed = replay(record, DEFINITIONS)
    assert not replayed.identical
    assert any(says in text for text in replayed.differences), replayed.differences


def test_a_rewritten_record_shows_by_the_digest_that_was_kept_elsewhere() -> None:
    rewritten = altered(actor="key:else")
    assert replay(rewritten, DEFINITIONS).identical  # nothing decides by it
    [said] = replay(rewritten, DEFINITIONS, DONE.digest).differences
    assert (
        said == f"The record's SHA-256 is {digest_of(rewritten)}, and {DONE.digest} was kept of it."
    )


def test_a_definition_that_nobody_kept_is_named() -> None:
    fewer = by_hash(*BOUNDS[1:])
    [said] = replay(DONE.record, fewer).differences
    assert said.startswith("There is no definition of approve (version 1) with the binding hash")
    assert BOUNDS[0].binding_hash in said


def test_a_tick_comes_out_again_with_all_its_keys() -> None:
    rule = bound("actor", above("error_rate", 0.5, Scope.ACTOR), Action.ALERT, (Point.TICK,))
    readings = read(**{"error_rate@actor:a": 0.9, "error_rate@actor:b": None, "sink_lag": 4})
    unread = bound("model", above("latency", 1, Scope.MODEL), Action.ALERT, (Point.TICK,))
    done = evaluate(Ruleset([rule, unread]), asked(Point.TICK), readings, HISTORIES)
    assert len(done.verdicts) == 2
    assert from_bytes(done.record)["unasked"] == [["model", 1, unread.binding_hash]]
    assert replay(done.record, by_hash(rule, unread), done.digest).identical


def test_every_kind_of_reading_comes_back() -> None:
    readings = read(
        model_size=2**60,
        model_memory_share=Reading(0.1 + 0.2),
        irreversible=True,
        actor="é\u2028",
        latency=Reading(None, Reason.NULL_INPUT),
        sink_lag=float("nan"),
    )
    conditions = both(
        above("model_size", 2**60 - 1),
        above("model_memory_share", 0.3),
        one_of("irreversible", "true"),
        one_of("actor", "é\u2028"),
        no(above("latency", 1)),
        above("sink_lag", 1),
    )
    rule = bound("all", conditions)
    done = evaluate(Ruleset([rule]), asked(), readings, HISTORIES)
    assert replay(done.record, by_hash(rule), done.digest).identical


# --- against histories ----------------------------------------------------------------------


def test_summaries_are_those_of_the_history_at_that_time() -> None:
    later = Observed()
    later.series = {name: list(values) for name, values in HISTORIES.series.items()}
    later.add("blocked_attempts", [900.0] * 50, last_us=AT_US + 100 * MINUTE_US)
    assert recheck(DONE.record, later).differences == ()


def test_a_history_that_says_something_else_is_named() -> None:
    other = Observed(blocked_attempts=[5.0] * 120)
    [first, second] = recheck(DONE.record, other).differences
    assert first == (
        "blocked_attempts for change@1 was recorded as {'n': 1, 'reference': 4.0}; "
        "its history says {'n': 1, 'reference': 5.0}."
    )
    assert second.startswith("latency@model:lmx/starter for z_score@1")


def test_a_history_that_could_not_be_read_then_is_not_compared() -> None:
    class Closed:
        def of(self, *_: Any) -> Any:
            raise OSError("closed")

        ends = of

    rule = bound("rising", rises("blocked_attempts", 0.5))
    done = evaluate(Ruleset([rule]), asked(), READINGS, Closed())
    assert done.outcome == "block"
    assert recheck(done.record, HISTORIES).identical
    assert replay(done.record, by_hash(rule), done.digest).identical


def test_what_is_no_record_cannot_be_rechecked() -> None:
    assert not recheck(b"{}", HISTORIES).identical
    assert not recheck(orjson.dumps({"v": 1, "at_us": 1, "summaries": [[1]]}), HISTORIES).identical
