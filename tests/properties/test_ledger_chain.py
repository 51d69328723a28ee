"""A log's root names its bodies and no others, and canonical bodies are stable."""

import json
import random
from typing import Any

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from app.authority.ledger import InvalidEvent, Kind, LedgerEvent, StoredEvent
from app.authority.ledger.events import MAX_INTEGER, Stamp, canonical_body
from app.domain.actors import SYSTEM
from app.evidence.merkle import EMPTY_ROOT, leaf_hash, root
from tests.fakes.events import boot

BODIES = st.lists(st.binary(max_size=40), max_size=40)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(max_codepoint=127), max_size=20)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
DATA = st.dictionaries(KEYS, PLAIN, max_size=4)
STAMP = Stamp(seq=1, event_id="0" * 36, ts_utc_us=2, mono_us=3, boot_id="b")


def streamed(bodies: list[bytes]) -> bytes:
    return root(leaf_hash(body) for body in bodies)


def test_known_values() -> None:
    assert EMPTY_ROOT.hex().startswith("e3b0c44298fc1c149afbf4c8996fb924")
    assert leaf_hash(b"").hex().startswith("6e340b9cffb37a989ca544e6bb780a2c")


@given(BODIES, BODIES)
def test_two_logs_have_one_root_only_if_they_are_the_same(
    one: list[bytes], other: list[bytes]
) -> None:
    assert (streamed(one) == streamed(other)) == (one == other)


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=30), st.data())
def test_any_edit_changes_the_root(bodies: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(bodies) - 1))
    before, after = bodies[:at], bodies[at + 1 :]
    edits = [
        [*before, *after],
        [*before, bodies[at], bodies[at], *after],
        [*before, bodies[at] + b"x", *after],
        [*before, bodies[at], b"new", *after],
        [*bodies[at:], *bodies[:at]],
    ]
    for edited in edits:
        assert (streamed(edited) == streamed(bodies)) == (edited == bodies)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_leaf_is_never_a_node(left: bytes, right: bytes) -> None:
    assert leaf_hash(left + right) != root([left, right])


def _body(data: dict[str, Any]) -> bytes:
    said = {**boot().data, "overrides": data}
    return canonical_body(LedgerEvent(Kind.BOOT, SYSTEM, data=said), STAMP)


@given(DATA)
def test_a_body_says_what_was_said_whatever_the_order(data: dict[str, Any]) -> None:
    body = _body(data)
    assert json.loads(body)["data"]["overrides"] == data
    items = list(data.items())
    random.Random(0).shuffle(items)
    assert _body(dict(items)) == body
    assert _body(json.loads(body)["data"]["overrides"]) == body


@given(DATA)
def test_a_body_is_what_the_rfcs_own_encoder_makes_of_it(data: dict[str, Any]) -> None:
    body = _body(data)
    parsed = json.loads(body)
    assert rfc8785.dumps(parsed) == body


@given(DATA, DATA)
def test_two_bodies_are_equal_only_if_they_say_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (_body(one) == _body(other)) == same


@given(DATA, st.floats() | st.binary() | st.text(st.characters(categories=["Cs"]), min_size=1))
def test_one_bad_value_anywhere_refuses_the_event(data: dict[str, Any], bad: object) -> None:
    for poisoned in ({**data, "x": bad}, {**data, "x": [{"y": bad}]}):
        try:
            _body(poisoned)
        except InvalidEvent:
            continue
        raise AssertionError(poisoned)


@given(DATA, st.data())
@settings(max_examples=200)
def test_a_stored_event_is_intact_only_if_no_bit_of_it_was_flipped(
    data: dict[str, Any], draw: st.DataObject
) -> None:
    body = _body(data)
    stored = StoredEvent(seq=1, event_id=STAMP.event_id, body=body, leaf=leaf_hash(body))
    assert stored.intact
    bit = draw.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << (bit % 8)
    assert not StoredEvent(1, STAMP.event_id, bytes(flipped), stored.leaf).intact
    assert not StoredEvent(2, STAMP.event_id, body, stored.leaf).intact
    assert not StoredEvent(1, "1" * 36, body, stored.leaf).intact
    assert not StoredEvent(1, STAMP.event_id, body, leaf_hash(b"")).intact
