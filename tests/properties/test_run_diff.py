"""What differs between two runs: nothing where nothing does, and all of it where something does."""

import json
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.actors import SYSTEM
from app.evidence.run_diff import (
    MAX_SHOWN,
    MOST,
    SECTIONS,
    applied,
    difference,
    flattened,
    sentences,
)
from app.evidence.runs import Attempt, run

KEY = st.one_of(
    st.sampled_from([name for names in SECTIONS.values() for name in names]),
    st.sampled_from(["a", "a.b", "a[0]", "", "b", '"', "\u202e"]),
)
VALUE = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.sampled_from(["", "x", "0"])
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEY, inner, max_size=3)),
    max_leaves=12,
)
DOCUMENT = st.dictionaries(KEY, VALUE, max_size=6)


def packed(document: Any) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


@given(DOCUMENT)
def test_a_run_does_not_differ_from_itself(a: dict[str, Any]) -> None:
    again = json.loads(json.dumps(a))
    assert difference(packed(a), packed(again)).changes == ()
    assert difference(json.dumps(a).encode(), packed(again)).changes == ()
    assert sentences(a, again) == []


@given(DOCUMENT, DOCUMENT)
@settings(max_examples=150)
def test_the_other_way_round_is_its_mirror(a: dict[str, Any], b: dict[str, Any]) -> None:
    mirror = {"added": "removed", "removed": "added", "changed": "changed"}
    there = difference(packed(a), packed(b)).changes
    back = difference(packed(b), packed(a)).changes
    turned = [(c.section, c.path, mirror[c.kind], c.after, c.before) for c in back]
    assert [(c.section, c.path, c.kind, c.before, c.after) for c in there] == turned


@given(DOCUMENT, DOCUMENT)
@settings(max_examples=150)
def test_the_changes_made_in_one_give_the_other(a: dict[str, Any], b: dict[str, Any]) -> None:
    made = applied(flattened(a), difference(packed(a), packed(b)).changes)
    wanted = flattened(b)
    assert packed(sorted(made.items(), key=str)) == packed(sorted(wanted.items(), key=str))


@given(DOCUMENT)
def test_no_two_values_share_a_path(a: dict[str, Any]) -> None:
    def singles(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        return sum(map(singles, inner)) if isinstance(value, dict | list) and value else 1

    assert len(flattened(a)) == sum(map(singles, a.values()))


def test_true_is_not_one() -> None:
    (change,) = difference(b'{"inputs":{"pinned":true}}', b'{"inputs":{"pinned":1}}').changes
    assert (change.section, change.path, change.kind) == ("inputs", "inputs.pinned", "changed")


def test_no_more_are_listed_than_can_be_read() -> None:
    a = packed({"inputs": {"x": list(range(MOST + 7))}})
    b = packed({"inputs": {"x": [-1 - n for n in range(MOST + 7)]}})
    found = difference(a, b)
    assert (len(found.changes), found.more) == (MOST, 7)


def test_a_long_value_is_shortened_where_it_is_shown() -> None:
    (change,) = difference(b"{}", packed({"outcome": "x" * 999})).changes
    assert len(change.as_dict()["after"]) == MAX_SHOWN
    assert len(change.after) == 999


def test_every_member_of_a_run_has_its_section() -> None:
    attempt = Attempt(
        act="a",
        subject="s",
        actor=SYSTEM,
        outcome="o",
        started_us=1,
        ended_us=2,
        proposal="0123abcd",
    )
    members = set(orjson.loads(run(attempt, versions={}, boot_id="b").bytes))
    assert members == {name for names in SECTIONS.values() for name in names} - {"plan_body"}


def test_where_both_name_plans_the_plans_are_compared_too() -> None:
    a, b = packed({"plan": "1"}), packed({"plan": "2"})
    plans = packed({"files": [{"size": 1}]}), packed({"files": [{"size": 2}, {"size": 3}]})
    found = difference(a, b, plans=plans).changes
    assert [(c.section, c.path, c.kind) for c in found] == [
        ("plan", "plan", "changed"),
        ("plan", "plan_body.files[0].size", "changed"),
        ("plan", "plan_body.files[1].size", "added"),
    ]


def test_what_explains_most_is_said_in_words() -> None:
    need = {"need": {"total_bytes": 2 << 30}}
    blocked = {
        "outcome": "refused",
        "refusal": {"code": "does_not_fit"},
        "feasibility": {**need, "budget": {"budget_bytes": 1 << 30}},
        "policy": {"outcome": "allow", "rules": [{"id": "R1"}]},
    }
    loaded = {
        "outcome": "loaded",
        "refusal": None,
        "feasibility": {**need, "budget": {"budget_bytes": 3 << 30}},
        "policy": {"outcome": "allow", "rules": [{"id": "R1"}, {"id": "R2"}]},
    }
    assert sentences(blocked, loaded) == [
        "outcome: refused -> loaded",
        "refusal: does_not_fit -> none",
        "budget: 1.00 GiB -> 3.00 GiB",
        "rules: R1 -> R1, R2",
    ]
