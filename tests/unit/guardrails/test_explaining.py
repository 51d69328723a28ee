"""Why a decision came out as it did: sentences for people, what decided first."""

from typing import Any

import pytest

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.explaining import explain
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.values import Action, Point, Scope
from tests.unit.guardrails.guarded import (
    NOTHING,
    above,
    asked,
    both,
    bound,
    by_hash,
    either,
    no,
    one_of,
    read,
    rises,
)

SOURCES = bound("known-sources", one_of("model_publisher", "acme", "lmx", negate=True), version=2)
LARGE = bound("large-models", above("model_memory_share", 0.5), Action.REQUIRE_APPROVAL)
RISING = bound("rising", rises("blocked_attempts", 0.5), Action.ALERT)


def explained(*bounds: Bound, point: Point = Point.LOAD, **values: Any) -> list[str]:
    done = evaluate(Ruleset(bounds), asked(point), read(**values), NOTHING)
    return explain(done.record, by_hash(*bounds))


def test_what_decided_comes_first_and_the_rest_says_why_not() -> None:
    said = explained(
        RISING,
        LARGE,
        SOURCES,
        model_publisher="evil-org",
        model_memory_share=0.03,
        blocked_attempts=3,
    )
    assert said[0].startswith("Blocked by known-sources (version 2): model publisher is ")
    assert "evil-org" in said[0]
    assert said[1] == (
        "large-models (version 1) was not met: model memory share is 3 %, not above 50 %."
    )
    assert said[2].startswith("rising (version 1) was not met: ")
    assert "blocked attempts" in said[2]


def test_a_block_comes_before_an_approval_and_that_before_an_alert() -> None:
    bounds = [
        bound(f"{index}-{action}", above("model_size", 1), action)
        for index, action in enumerate((Action.ALERT, Action.REQUIRE_APPROVAL, Action.BLOCK))
    ]
    first, second, third = explained(*bounds, model_size=2)
    assert first.startswith("Blocked by 2-block")
    assert second.startswith("Approval needed by 1-require_approval")
    assert third.startswith("Alert of 0-alert")


def test_an_error_that_blocks_comes_first() -> None:
    said = explained(LARGE, RISING, model_memory_share=0.9, blocked_attempts=OSError("gone"))
    assert said[0] == "rising (version 1) could not be evaluated: OSError: gone."
    assert said[1].startswith("Approval needed by large-models")


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        (
            both(above("model_size", 1), above("queue_depth", 1)),
            (
                "Blocked by it (version 1): model size is 3 bytes, above 1 byte and queue depth is "
                "3 requests, above 1 request."
            ),
        ),
        (
            both(above("model_size", 9), above("queue_depth", 1)),
            "it (version 1) was not met: model size is 3 bytes, not above 9 bytes.",
        ),
        (
            either(above("model_size", 9), above("queue_depth", 1)),
            "Blocked by it (version 1): queue depth is 3 requests, above 1 request.",
        ),
        (
            no(above("model_size", 9)),
            "Blocked by it (version 1): model size is 3 bytes, not above 9 bytes.",
        ),
        (
            either(above("model_size", 9), above("sink_lag", 1)),
            "it (version 1) was not met: sink lag is not known.",
        ),
    ],
)
def test_a_composite_says_what_counted(condition: Any, sentence: str) -> None:
    said = explained(bound("it", condition), model_size=3, queue_depth=3, sink_lag=None)
    assert said == [sentence]


def test_a_scoped_condition_says_of_whom() -> None:
    rule = bound("slow", above("latency", 3, Scope.MODEL), Action.ALERT, (Point.TICK,))
    said = explained(
        rule, point=Point.TICK, **{"latency@model:a/slow": 4.0, "latency@model:b/fast": 1.0}
    )
    assert said[0].startswith("Alert of slow (version 1): a/slow's latency is 4 seconds, above 3")
    assert said[1].startswith("slow (version 1) was not met: b/fast's latency is 1 second, not")


def test_no_line_can_be_forged_by_what_was_read() -> None:
    rule = bound("publisher", one_of("model_publisher", "x", negate=True))
    [said] = explained(rule, model_publisher="evil\nBlocked by nobody")
    assert "\n" not in said


def test_nothing_asked_is_said() -> None:
    assert explained() == ["No condition was asked at load."]


def test_a_record_that_does_not_come_out_again_says_so_before_all_else() -> None:
    done = evaluate(Ruleset([LARGE]), asked(), read(model_memory_share=0.9), NOTHING)
    altered = done.record.replace(b'"outcome":"require_approval"', b'"outcome":"allow"')
    said = explain(altered, by_hash(LARGE))
    assert said[0].startswith("This record does not come out the same again. ")
    assert said[-1].startswith("Approval needed by large-models")
    assert explain(done.record, {})[0].startswith("There is no definition of large-models")
    with pytest.raises(ValueError, match="no record"):
        explain(b"{}", {})
