"""What strategies say to people: numbers with units, and why a condition is met or not."""

from typing import Any

import pytest

from app.authority.guardrails.strategies import wording
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.strategies.registry import STRATEGIES

DAYS_7 = 7 * 86_400
SUMMARIES = {
    "percentile": {"n": 20, "quantile": 0.125},
    "z_score": {"n": 20, "mean": 10.0, "std": 2.0},
    "change": {"n": 1, "reference": 5.0},
}


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (20 * 10**9, "bytes", "20.0 GB"),
        (1_500_000, "bytes", "1.5 MB"),
        (999, "bytes", "999 bytes"),
        (1, "bytes", "1 byte"),
        (-2_000, "bytes", "-2.0 kB"),
        (0, "bytes", "0 bytes"),
        (10**400, "bytes", "1.000e+400 bytes"),
        (0.9, "ratio", "90 %"),
        (0.415, "ratio", "41.5 %"),
        (0, "ratio", "0 %"),
        (12, "per hour", "12 per hour"),
        (1, "requests", "1 request"),
        (2, "requests", "2 requests"),
        (1.0, "tokens per second", "1 token per second"),
        (37.25, "tokens per second", "37.25 tokens per second"),
        (0.25, "seconds", "0.25 seconds"),
        (3.5, "days", "3.5 days"),
        (12_345, "events", "12,345 events"),
        (7, "", "7"),
        (0.00012, "seconds", "0.0001 seconds"),
        (1.5e-9, "seconds", "1.500e-9 seconds"),
        (True, "", "yes"),
        (False, "", "no"),
        (None, "bytes", "not known"),
        ("gguf", "", "gguf"),
        ("a\n\u202eb", "", '"a\\n\\u202eb"'),
        ("x" * 200, "", "x" * 80 + "..."),
    ],
)
def test_a_value_is_said_with_its_unit(value: Any, unit: str, said: str) -> None:
    assert wording.amount(value, unit) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (1, "1 second"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (3_600, "1 hour"),
        (86_400, "1 day"),
        (90_000, "25 hours"),
        (30 * 86_400, "30 days"),
    ],
)
def test_a_window_is_said_in_its_largest_whole_unit(seconds: int, said: str) -> None:
    assert wording.period(seconds) == said


@pytest.mark.parametrize(
    ("value", "limit", "unit", "said"),
    [
        (40 * 10**9, 20 * 10**9, "bytes", ("40.0 GB", "20.0 GB")),
        (0.9004, 0.9, "ratio", ("90.04 %", "90 %")),
        (20 * 10**9 + 1, 20 * 10**9, "bytes", ("20.000000001 GB", "20.000000000 GB")),
        (2**53 + 1, 2**53, "", ("9,007,199,254,740,993", "9,007,199,254,740,992")),
        (0.1 + 0.2, 0.3, "", ("0.30000000000000004", "0.3")),
        (0.1 + 0.2, 0.3, "ratio", ("0.30000000000000004 (ratio)", "0.3 (ratio)")),
        (3.0, 3, "requests", ("3 requests", "3 requests")),
    ],
)
def test_numbers_that_differ_are_said_differently(
    value: float, limit: float, unit: str, said: tuple[str, str]
) -> None:
    assert wording.apart(value, limit, unit) == said


@pytest.mark.parametrize(
    ("subject", "said"),
    [
        ("load failures", "load failures are"),
        ("approvals pending", "approvals pending are"),
        ("tokens per second", "tokens per second are"),
        ("memory headroom", "memory headroom is"),
        ("model's share of memory", "model's share of memory is"),
        ("status", "status is"),
    ],
)
def test_a_subject_takes_its_verb(subject: str, said: str) -> None:
    assert wording.stands(subject) == said


SIZE = ("model size", "bytes")
SHARE = ("model memory share", "ratio")
HEADROOM = ("memory headroom", "ratio")
FAILURES = ("load failures", "per hour")
BLOCKED = ("blocked attempts", "per hour")
FORMAT, SOURCE, PUBLISHER = ("model format", ""), ("model source", ""), ("model publisher", "")
ON_DEMAND = ("on demand", "")
NESTED = ("model size is 5.0 GB, not above 20.0 GB", "")

ONE_DEVIATION = (
    "load failures are 8 per hour, 1 standard deviation below the mean of 7 days, not more than 3"
)


def top(value: float) -> dict[str, Any]:
    return {"direction": "top", "value": value, "window": DAYS_7}


def scored(direction: str) -> dict[str, Any]:
    return {"direction": direction, "threshold": 3, "window": DAYS_7}


def changed(direction: str, value: float = 0.5) -> dict[str, Any]:
    return {"direction": direction, "value": value, "window": 3_600}


SENTENCES: list[tuple[str, dict[str, Any], tuple[str, str], Any, str]] = [
    ("threshold", {"direction": "above", "value": 20 * 10**9}, SIZE, 40 * 10**9,
     "model size is 40.0 GB, above 20.0 GB"),
    ("threshold", {"direction": "above", "value": 20 * 10**9}, SIZE, 5 * 10**9,
     "model size is 5.0 GB, not above 20.0 GB"),
    ("threshold", {"direction": "below", "value": 0.1}, HEADROOM, 0.05,
     "memory headroom is 5 %, below 10 %"),
    ("threshold", {"direction": "below", "value": 0.1}, HEADROOM, 0.1,
     "memory headroom is 10 %, not below 10 %"),
    ("threshold", {"direction": "below", "value": 0.1}, HEADROOM, None,
     "memory headroom is not known"),
    ("percentile", top(5), SHARE, 0.41,
     "model memory share is 41 %, in the top 5 % of 7 days: above 12.5 %"),
    ("percentile", top(5), SHARE, 0.1,
     "model memory share is 10 %, not in the top 5 % of 7 days: not above 12.5 %"),
    ("percentile", {"direction": "bottom", "value": 5, "window": DAYS_7}, SHARE, 0.1,
     "model memory share is 10 %, in the bottom 5 % of 7 days: below 12.5 %"),
    ("percentile", top(0), SHARE, 0.9,
     "model memory share is 90 %, not in the top 0 % of 7 days"),
    ("percentile", top(100), SHARE, 0.01,
     "model memory share is 1 %, in the top 100 % of 7 days"),
    ("z_score", scored("above"), FAILURES, 18,
     "load failures are 18 per hour, 4 standard deviations above the mean of 7 days, more than 3"),
    ("z_score", scored("any"), FAILURES, 8, ONE_DEVIATION),
    ("z_score", scored("above"), FAILURES, 0,
     "load failures are 0 per hour, 5 standard deviations below the mean of 7 days: not above it"),
    ("z_score", scored("any"), FAILURES, 10,
     "load failures are 10 per hour, the mean of 7 days"),
    ("change", changed("increase"), BLOCKED, 14,
     "blocked attempts are 14 per hour, up 180 % in 1 hour, more than 50 %"),
    ("change", changed("increase"), BLOCKED, 6,
     "blocked attempts are 6 per hour, up 20 % in 1 hour, not more than 50 %"),
    ("change", changed("increase"), BLOCKED, 1,
     "blocked attempts are 1 per hour, down 80 % in 1 hour: no increase"),
    ("change", changed("any"), BLOCKED, 1,
     "blocked attempts are 1 per hour, down 80 % in 1 hour, more than 50 %"),
    ("change", changed("any", 0), BLOCKED, 5,
     "blocked attempts are 5 per hour, the same as 1 hour before"),
    ("equals", {"values": ("safetensors", "gguf"), "negate": True}, FORMAT, "other",
     "model format is other, none of gguf, safetensors"),
    ("equals", {"values": ("safetensors", "gguf"), "negate": True}, FORMAT, "gguf",
     "model format is gguf, one of gguf, safetensors"),
    ("equals", {"values": ("hub",), "negate": False}, SOURCE, "shipped",
     "model source is shipped, not hub"),
    ("equals", {"values": ("hub",), "negate": False}, SOURCE, "hub",
     "model source is hub"),
    ("equals", {"values": (), "negate": True}, PUBLISHER, "lmx",
     "model publisher is lmx, and there is no value that it could be"),
    ("equals", {"values": ("true",), "negate": False}, ON_DEMAND, True,
     "on demand is yes"),
    ("equals", {"values": ("true",), "negate": False}, ON_DEMAND, False,
     "on demand is no"),
    ("composite", {"operator": "NOT"}, NESTED, False,
     "NOT (model size is 5.0 GB, not above 20.0 GB) is met"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "params", "watched", "value", "said"), SENTENCES, ids=[s[-1] for s in SENTENCES]
)
def test_a_result_is_said_in_a_sentence(
    name: str, params: dict[str, Any], watched: tuple[str, str], value: Any, said: str
) -> None:
    strategy, reading = STRATEGIES[name], Reading(value)
    result = strategy.decide(reading, SUMMARIES.get(name, {}), params)
    assert strategy.sentence(*watched, reading, result, params) == said


@pytest.mark.parametrize(
    ("value", "direction", "said"),
    [
        (3, "increase", "blocked attempts are 3 per hour, 1 hour after zero"),
        (3, "decrease", "blocked attempts are 3 per hour, 1 hour after zero: no decrease"),
        (0, "any", "blocked attempts are 0 per hour, 1 hour after zero: no change"),
    ],
)
def test_a_change_from_zero_has_no_percentage(value: int, direction: str, said: str) -> None:
    params = {"direction": direction, "value": 0.5, "window": 3_600}
    change, reading = STRATEGIES["change"], Reading(value)
    result = change.decide(reading, {"n": 1, "reference": 0.0}, params)
    assert change.sentence("blocked attempts", "per hour", reading, result, params) == said


@pytest.mark.parametrize(
    ("name", "reading", "summary", "said"),
    [
        ("change", Reading(3), {"n": 0}, "nothing is known of load failures 7 days before"),
        ("z_score", Reading(3), {"n": 4}, "there is too little history of load failures in 7 days"),
        (
            "percentile",
            Reading(3),
            {"n": 4},
            "there is too little history of load failures in 7 days",
        ),
        (
            "z_score",
            Reading(3),
            {"n": 20, "mean": 1.0, "std": 0.0},
            "load failures did not vary in 7 days",
        ),
        ("change", Reading(None), {"n": 0}, "load failures are not known"),
    ],
)
def test_want_of_data_is_said_as_such(
    name: str, reading: Reading, summary: dict[str, float], said: str
) -> None:
    strategy = STRATEGIES[name]
    params = {"value": 5, "threshold": 3, "window": DAYS_7}
    params["direction"] = strategy.signature.parameters["direction"].choices[0]  # type: ignore[assignment]
    result = strategy.decide(reading, summary, params)
    assert strategy.sentence("load failures", "per hour", reading, result, params) == said


def test_an_unknown_label_is_shown() -> None:
    params = {"values": ("gguf",), "negate": True}
    reading = Reading("onnx", Reason.UNKNOWN_LABEL)
    equals = STRATEGIES["equals"]
    result = equals.decide(reading, {}, params)
    said = equals.sentence("model format", "", reading, result, params)
    assert said == "model format is onnx, which is no known label"


def test_a_sentence_stays_on_one_line_whatever_a_file_calls_itself() -> None:
    equals, params = STRATEGIES["equals"], {"values": ("a\nb",), "negate": True}
    reading = Reading("mit\n2026 approved\x1b[2J\u202e")
    said = equals.sentence("licence", "", reading, equals.decide(reading, {}, params), params)
    assert said == 'licence is "mit\\n2026 approved\\x1b[2J\\u202e", not "a\\nb"'


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("mlx-community", "mlx-community"),
        ("lmx/starter", "lmx/starter"),
        ("key:51ce1a5b", "key:51ce1a5b"),
        ("q4 when model size is above 1 GB", '"q4 when model size is above 1 GB"'),
        ('q4" unless "', '"q4\\" unless \\""'),
        ("", '""'),
        ("\n", '"\\n"'),
    ],
)
def test_a_value_that_reads_like_a_sentence_stands_in_quotation_marks(
    value: str, said: str
) -> None:
    assert wording.quoted(value) == said
    assert wording.amount(value, "") == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "v0"),
        (7, "v0, v1, v2, v3, v4, v5, v6"),
        (24, "v0, v1, v2, v3, v4, v5 and 18 more"),
    ],
)
def test_of_many_values_the_first_are_said_and_the_rest_counted(count: int, said: str) -> None:
    assert wording.some([f"v{at}" for at in range(count)]) == said
