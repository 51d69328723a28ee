"""Whatever an event holds, its bytes are RFC 8785's, by the RFC's own implementation."""

import json
from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger.events import MAX_INTEGER, LedgerEvent, Stamp, canonical_body
from app.domain.actors import Actor, Role
from app.evidence.vocabulary import Kind
from tests.fakes import events

TEXT = st.text(max_size=40)  # without half characters, with everything else Unicode has
KEYS = st.text(st.characters(min_codepoint=0, max_codepoint=127), max_size=12)
INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=8,
)
STAMPS = st.builds(
    Stamp,
    seq=st.integers(1, MAX_INTEGER),
    event_id=st.just("0" * 36),
    ts_utc_us=INTEGERS,
    mono_us=INTEGERS,
    boot_id=TEXT,
)


@given(value=VALUES, subject=TEXT, person=st.none() | TEXT, stamp=STAMPS, request=st.none() | TEXT)
def test_the_bytes_are_those_of_the_rfc(
    value: Any, subject: str, person: str | None, stamp: Stamp, request: str | None
) -> None:
    made = events.holding(value)
    actor = Actor("key:0badcafe", "nobody", frozenset({Role.AUDITOR, Role.CLIENT}), person)
    event = LedgerEvent(Kind.BOOT, actor, subject, data=made.data, request_id=request)
    body = canonical_body(event, stamp)
    assert rfc8785.dumps(json.loads(body)) == body
    read = json.loads(body)
    assert read["data"]["overrides"]["x"] == value
    assert (read["subject"], read["actor"]["person"], read["seq"]) == (subject, person, stamp.seq)
