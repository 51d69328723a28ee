"""What each kind of event holds is said once, checked at every append, and only ever grows."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from app.authority.ledger.events import InvalidEvent, LedgerEvent, check_phase
from app.domain.actors import SYSTEM
from app.evidence.fields import InvalidData, Type
from app.evidence.schemas import SCHEMAS, check_data, check_outcome
from app.evidence.vocabulary import ACTION, OUTCOME_OF, OUTCOMES, Kind
from tests.fakes import events

ROOT = Path(__file__).parents[3]
GOLDEN = Path(__file__).parent / "golden" / "event_kinds.json"
"""Every kind and field there has been. Add to it what is new; what is there stays as it is."""

SAMPLES: dict[Type, Any] = {
    Type.TEXT: "x",
    Type.INTEGER: 1,
    Type.BOOLEAN: True,
    Type.TEXTS: ["x"],
    Type.OBJECT: {"x": 1},
}


def now() -> dict[str, Any]:
    return {
        str(kind): {
            "fields": {field.name: str(field.type) for field in schema.fields},
            "required": sorted(schema.required),
            "outcomes": sorted(schema.outcomes),
        }
        for kind, schema in SCHEMAS.items()
    }


def sample(kind: Kind) -> dict[str, Any]:
    return {f.name: SAMPLES[f.type] for f in SCHEMAS[kind].fields if not f.retired}


def test_every_kind_has_a_schema_and_an_action() -> None:
    assert set(SCHEMAS) == set(ACTION) == set(Kind)
    assert all(schema.kind is kind for kind, schema in SCHEMAS.items())


def test_no_kind_field_or_outcome_was_removed_renamed_retyped_or_made_required() -> None:
    known, current = json.loads(GOLDEN.read_text("utf-8")), now()
    for kind, was in known.items():
        schema = current[kind]
        assert was["fields"].items() <= schema["fields"].items(), kind
        assert set(schema["required"]) <= set(was["required"]), kind
        assert set(was["outcomes"]) <= set(schema["outcomes"]), kind


def test_what_is_new_is_in_the_golden_file_too() -> None:
    known = json.loads(GOLDEN.read_text("utf-8"))
    assert {kind: set(s["fields"]) for kind, s in now().items()} == {
        kind: set(s["fields"]) for kind, s in known.items()
    }


@pytest.mark.parametrize("kind", Kind)
def test_an_event_may_have_exactly_its_fields(kind: Kind) -> None:
    data = sample(kind)
    check_data(kind, data)
    check_data(kind, {name: data[name] for name in SCHEMAS[kind].required})
    with pytest.raises(InvalidData, match="has no field 'else'"):
        check_data(kind, {**data, "else": 1})
    for name in data:
        missing = {other: value for other, value in data.items() if other != name}
        if name in SCHEMAS[kind].required:
            with pytest.raises(InvalidData, match=f"needs also: {name}"):
                check_data(kind, missing)
        else:
            check_data(kind, missing)
        for wrong in (None, 1.5, b"x", [1], *(v for v in SAMPLES.values() if v != data[name])):
            with pytest.raises(InvalidData, match=rf"{kind}\.{name} is a"):
                check_data(kind, {**data, name: wrong})


def test_a_boolean_is_no_integer() -> None:
    with pytest.raises(InvalidData, match="it has to be: integer"):
        check_data(Kind.RESERVE_USED, {"reserve_bytes": True})
    with pytest.raises(InvalidData, match="it has to be: boolean"):
        check_data(Kind.LOAD_INTENT, {**sample(Kind.LOAD_INTENT), "pinned": 1})


def test_a_retired_field_is_known_and_never_written_again() -> None:
    with pytest.raises(InvalidData, match="account is retired"):
        check_data(Kind.GENESIS, {**sample(Kind.GENESIS), "account": "ada"})


@pytest.mark.parametrize("kind", Kind)
def test_outcomes_are_a_closed_set(kind: Kind) -> None:
    for outcome in SCHEMAS[kind].outcomes:
        check_outcome(kind, outcome)
    with pytest.raises(InvalidData, match="has no outcome 'splendid'"):
        check_outcome(kind, "splendid")
    if SCHEMAS[kind].outcomes:
        with pytest.raises(InvalidData, match="has no outcome None"):
            check_outcome(kind, None)
    else:
        check_outcome(kind, None)


def test_intents_have_no_outcome_and_what_closes_them_can_say_interrupted() -> None:
    assert all(not SCHEMAS[intent].outcomes for intent in OUTCOME_OF)
    assert all("interrupted_by_restart" in SCHEMAS[kind].outcomes for kind in OUTCOMES)


def test_the_check_stands_before_every_append() -> None:
    check_phase(events.boot())
    for bad in (
        LedgerEvent(Kind.BOOT, SYSTEM, "b"),
        LedgerEvent(Kind.BOOT, SYSTEM, "b", data={**events.boot().data, "pad": "x"}),
        LedgerEvent(Kind.REFUSAL, SYSTEM, outcome="done", data={"code": "c", "message": "m"}),
    ):
        with pytest.raises(InvalidEvent):
            check_phase(bad)


def test_the_check_costs_microseconds() -> None:
    intent = events.load_intent()
    taken = []
    for _ in range(2_000):
        began = time.perf_counter_ns()
        check_data(intent.kind, intent.data)
        taken.append(time.perf_counter_ns() - began)
    assert sorted(taken)[len(taken) // 2] < 50_000


def test_the_page_names_every_kind_and_field() -> None:
    page = (ROOT / "docs" / "events.md").read_text("utf-8")
    for kind, schema in SCHEMAS.items():
        section = re.split(rf"^## {kind}$", page, flags=re.MULTILINE)[1].partition("\n## ")[0]
        for field in schema.fields:
            assert f"| `{field.name}` | {field.type}" in section
