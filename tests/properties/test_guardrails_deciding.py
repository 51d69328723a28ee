"""However rules and readings come: records replay, and a rule that is added only tightens."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.explaining import explain
from app.authority.guardrails.replaying import recheck, replay
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Observation, Reading, Reason
from app.authority.guardrails.values import Action, Composite, Condition, Operator, Point, Scope
from app.authority.guardrails.verdicts import OUTCOMES, Asked
from tests.unit.guardrails.guarded import AT_US, MINUTE_US, Observed, bound, by_hash, leaf

NAMES = ("latency", "sink_lag", "error_rate")
SCOPES = st.sampled_from(list(Scope))
LEVELS = st.integers(-3, 5) | st.floats(-3, 5)
WINDOWS = st.sampled_from([300, 3600])

leaves = st.one_of(
    st.builds(
        lambda name, scope, way, value: leaf(name, "threshold", scope, direction=way, value=value),
        st.sampled_from(NAMES),
        SCOPES,
        st.sampled_from(["above", "below"]),
        LEVELS,
    ),
    st.builds(
        lambda name, way, value, window: leaf(
            name, "change", direction=way, value=value, window=window
        ),
        st.sampled_from(NAMES),
        st.sampled_from(["increase", "decrease", "any"]),
        st.floats(0, 3),
        WINDOWS,
    ),
    st.builds(
        lambda name, value, window: leaf(
            name, "percentile", direction="top", value=value, window=window
        ),
        st.sampled_from(NAMES),
        st.integers(0, 100),
        WINDOWS,
    ),
    st.builds(
        lambda name, value, window: leaf(
            name, "z_score", direction="any", threshold=value, window=window
        ),
        st.sampled_from(NAMES),
        st.floats(0.1, 4),
        WINDOWS,
    ),
    st.builds(
        lambda values, negate: leaf("actor", "equals", values=tuple(values), negate=negate),
        st.lists(st.sampled_from(["a", "b", "é"]), min_size=1),
        st.booleans(),
    ),
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: (
        st.builds(
            lambda operator, operands: Composite(operator, tuple(operands)),
            st.sampled_from([Operator.AND, Operator.OR]),
            st.lists(inner, min_size=2, max_size=3),
        )
        | st.builds(lambda operand: Composite(Operator.NOT, (operand,)), inner)
    ),
    max_leaves=4,
)
numbers = st.integers(-5, 9) | st.floats() | st.none()
given_readings = st.builds(Reading, numbers) | st.builds(
    lambda reason: Reading(None, reason), st.sampled_from([Reason.NULL_INPUT])
)
texts = st.builds(Reading, st.sampled_from(["a", "b", "c", "é", "\ud800"]) | st.none())
errors = st.sampled_from([OSError("closed"), ValueError(), KeyError("x")])
readings = st.fixed_dictionaries(
    {"actor": texts},
    optional={
        name + suffix: given_readings | given_readings | errors
        for name in NAMES
        for suffix in ("", "@model:m", "@model:n", "@actor:a")
    },
)
histories = st.builds(
    lambda values: Observed(**values),
    st.dictionaries(
        st.sampled_from(NAMES), st.lists(st.floats(-5, 5), min_size=1, max_size=80), max_size=3
    ),
)
points = st.sampled_from([Point.LOAD, Point.TICK])


@st.composite
def rules(draw: st.DrawFn) -> list[Bound]:
    drawn = draw(st.lists(st.tuples(conditions, st.sampled_from(list(Action))), max_size=4))
    return [
        bound(f"t{i}", condition, action, (Point.LOAD, Point.TICK))
        for i, (condition, action) in enumerate(drawn)
    ]


def question(point: Point) -> Asked:
    return Asked(at_us=AT_US, point=point, subject="m", actor="a")


@given(rules(), points, readings, histories)
def test_a_replay_equals_the_record(
    bounds: list[Bound], point: Point, read: dict[str, Any], past: Observed
) -> None:
    done = evaluate(Ruleset(bounds), question(point), read, past)
    replayed = replay(done.record, by_hash(*bounds), done.digest)
    assert replayed.differences == ()
    assert recheck(done.record, past).differences == ()
    assert evaluate(Ruleset(bounds[::-1]), question(point), read, past).record == done.record


@given(rules(), conditions, points, readings, histories)
def test_a_block_rule_that_is_added_frees_nothing(
    bounds: list[Bound], condition: Condition, point: Point, read: dict[str, Any], past: Observed
) -> None:
    added = bound("added", condition, Action.BLOCK, (Point.LOAD, Point.TICK))
    before = evaluate(Ruleset(bounds), question(point), read, past)
    after = evaluate(Ruleset([*bounds, added]), question(point), read, past)
    assert OUTCOMES.index(after.outcome) >= OUTCOMES.index(before.outcome)
    assert set(before.verdicts) <= set(after.verdicts)


@given(rules(), readings, histories)
def test_whatever_is_read_an_act_is_decided_and_explained(
    bounds: list[Bound], read: dict[str, Any], past: Observed
) -> None:
    done = evaluate(Ruleset(bounds), question(Point.LOAD), read, past)
    assert len(done.verdicts) + len(done.failures) == len(bounds)
    assert done.outcome == "block" if done.failures else done.outcome in OUTCOMES
    said = explain(done.record, by_hash(*bounds))
    assert len(said) == max(1, len(bounds))
    assert all(text.endswith(".") and "\n" not in text for text in said)


@given(rules(), readings, histories, st.lists(st.floats(-5, 5), max_size=5))
def test_what_is_observed_later_changes_nothing(
    bounds: list[Bound], read: dict[str, Any], past: Observed, later: list[float]
) -> None:
    done = evaluate(Ruleset(bounds), question(Point.LOAD), read, past)
    for name in NAMES:
        past.series.setdefault(name, []).extend(
            Observation(AT_US + i * MINUTE_US, value) for i, value in enumerate(later)
        )
    assert evaluate(Ruleset(bounds), question(Point.LOAD), read, past).record == done.record
