"""What can be watched: every entry says all that the compiler and its readers need."""

import re

import pytest

from app.authority.guardrails.primitives import NUMBERS, PRIMITIVES, SERIES, WORDS, Primitive
from app.authority.guardrails.strategies.registry import COMPATIBLE
from app.authority.guardrails.values import Point, Scope, ValueType

EACH = pytest.mark.parametrize("primitive", PRIMITIVES.values(), ids=lambda each: each.name)


@EACH
def test_an_entry_is_complete(primitive: Primitive) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", primitive.name)
    assert primitive.version >= 1
    assert primitive.meaning.endswith(".")
    assert primitive.source
    assert primitive.points == tuple(point for point in Point if point in primitive.points)
    assert primitive.points


@EACH
def test_a_series_is_about_the_system_and_readable_everywhere(primitive: Primitive) -> None:
    assert primitive.is_series == (primitive.type in SERIES) == (not primitive.about_subject)
    assert (primitive.points == tuple(Point)) == primitive.is_series
    assert primitive.is_series or Point.TICK not in primitive.points


@EACH
def test_only_numbers_have_units_and_only_categoricals_labels(primitive: Primitive) -> None:
    assert bool(primitive.unit) == (primitive.type in SERIES | NUMBERS)
    assert bool(primitive.labels) == (primitive.type is ValueType.CATEGORICAL)
    assert len(set(primitive.labels)) == len(primitive.labels)


@EACH
def test_some_strategy_takes_it(primitive: Primitive) -> None:
    expected = {"equals"} if primitive.type in WORDS | {ValueType.BOOLEAN} else {"threshold"}
    assert expected <= COMPATIBLE[primitive.type]


@EACH
def test_it_is_watched_as_a_whole_at_least(primitive: Primitive) -> None:
    assert primitive.scopes[0] is Scope.ALL
    assert primitive.is_series or primitive.scopes == (Scope.ALL,)


def test_what_the_product_promises_to_watch_is_there() -> None:
    promised = """
        memory_pressure memory_headroom model_size model_format model_licence model_quantization
        model_source days_since_verified load_failures evictions queue_depth latency
        tokens_per_second error_rate blocked_attempts deletes_asked approvals_pending sink_lag
    """
    assert set(promised.split()) <= PRIMITIVES.keys()
    assert {each.type for each in PRIMITIVES.values()} == set(ValueType) - {ValueType.DECISION}
    by_model = {each.name for each in PRIMITIVES.values() if Scope.MODEL in each.scopes}
    by_actor = {each.name for each in PRIMITIVES.values() if Scope.ACTOR in each.scopes}
    models = "error_rate evictions latency load_failures tokens_per_second"
    assert by_model == set(models.split())
    assert by_actor == {"error_rate", "blocked_attempts", "deletes_asked"}
