"""What an event is, byte for byte, and what can never become one."""

import json
import uuid
from typing import Any

import pytest

from app.authority.ledger import InvalidEvent, Kind, LedgerEvent
from app.authority.ledger.events import (
    MAX_BODY_BYTES,
    MAX_INTEGER,
    OUTCOME_OF,
    Stamp,
    canonical_body,
    draft,
    new_event_id,
)
from app.authority.ledger.lifetime import boot_event, genesis_event, reconciled, shutdown_event
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM, Actor, Role
from tests.fakes.events import act_intent, boot, load_intent, pull_intent, unload_intent

LARGEST = Stamp(MAX_INTEGER, "f" * 36, MAX_INTEGER, MAX_INTEGER, "f" * 36)
"""An event has to fit wherever it ends up in the log."""
STAMP = Stamp(seq=7, event_id="0" * 36, ts_utc_us=1, mono_us=2, boot_id="b")
PERSON = Actor(id="key:0badcafe", name="Ada Lovelace", roles=frozenset({Role.OPERATOR}))


def event(**changes: Any) -> LedgerEvent:
    said = {"kind": Kind.BOOT, "actor": PERSON, "subject": "s", "data": boot().data}
    return LedgerEvent(**{**said, **changes})


def holding(overrides: Any) -> LedgerEvent:
    """An event with anything in its data."""
    return event(data={**boot().data, "overrides": overrides})


def test_a_body_is_exactly_this() -> None:
    body = canonical_body(holding({"b": [1, True, None], "a": "é\n"}), STAMP)
    assert (
        body
        == (
            '{"actor":{"id":"key:0badcafe","person":null,"roles":["operator"]},"boot_id":"b",'
            '"data":{"config_digest":"c","overrides":{"a":"é\\n","b":[1,true,null]},"pid":1,'
            '"rules_digest":"r","version":"0"},"event_id":"' + "0" * 36 + '",'
            '"intent_seq":null,"kind":"boot","mono_us":2,"outcome":null,"request_id":null,"seq":7,'
            '"subject":"s","ts_utc_us":1,"v":2}'
        ).encode()
    )


def test_a_body_names_no_person() -> None:
    assert b"Lovelace" not in canonical_body(event(), STAMP)


@pytest.mark.parametrize("key", ["\U0001f600", "\ufb33", "é"])
def test_a_key_that_readers_could_sort_differently_is_refused(key: str) -> None:
    with pytest.raises(InvalidEvent, match="not ASCII"):
        canonical_body(holding({key: 1}), STAMP)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"x": 1.5}, "data.overrides.x is a float"),
        ({"x": float("nan")}, "float"),
        ({"x": [{"y": float("inf")}]}, r"data.overrides.x\[0\].y is a float"),
        ({"x": MAX_INTEGER + 1}, "write it as a string"),
        ({"x": -MAX_INTEGER - 1}, "write it as a string"),
        ({"x": "\ud800"}, "half a character"),
        ({"\udc00": 1}, "not ASCII"),
        ({1: "x"}, "not a string"),
        ({"x": b"bytes"}, "bytes, which JSON does not have"),
        ({"x": {1, 2}}, "set, which JSON does not have"),
        ({"x": object()}, "which JSON does not have"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: Any, why: str) -> None:
    with pytest.raises(InvalidEvent, match=why):
        canonical_body(holding(data), STAMP)
    with pytest.raises(ValueError, match=why):
        draft(holding(data))


def test_depth_is_bounded() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidEvent, match="nested deeper"):
        canonical_body(holding({"x": deep}), STAMP)


def test_a_body_may_have_the_limit_and_not_one_byte_more() -> None:
    room = MAX_BODY_BYTES - len(canonical_body(holding({"x": ""}), LARGEST))
    assert len(canonical_body(holding({"x": "a" * room}), LARGEST)) == MAX_BODY_BYTES
    with pytest.raises(InvalidEvent, match="name large evidence by its digest"):
        canonical_body(holding({"x": "a" * (room + 1)}), STAMP)


def test_nul_and_newlines_cannot_break_out_of_their_string() -> None:
    body = canonical_body(event(subject='a\n"}\x00'), STAMP)
    assert b"\n" not in body
    assert b"\x00" not in body
    assert json.loads(body)["subject"] == 'a\n"}\x00'


def test_an_outcome_names_its_intent_and_an_intent_has_no_outcome() -> None:
    for intent, outcome in OUTCOME_OF.items():
        with pytest.raises(InvalidEvent, match="needs the intent_seq"):
            draft(event(kind=outcome, outcome="done"))
        with pytest.raises(InvalidEvent, match="no outcome yet"):
            draft(event(kind=intent, outcome="done"))


def test_event_ids_are_version_7_and_sort_by_time() -> None:
    early = new_event_id(ts_utc_us=1_000_000, random=b"\xff" * 10)
    late = new_event_id(ts_utc_us=2_000_000, random=b"\x00" * 10)
    assert early < late
    assert uuid.UUID(early).version == 7
    assert uuid.UUID(early).variant == uuid.RFC_4122


VOCABULARY = (
    "genesis boot shutdown key_created key_revoked model_imported model_verified "
    "model_quarantined model_released model_pinned_resident load_intent load_outcome "
    "unload_intent unload_outcome worker_exited refusal usage_digest"
).split()


def test_no_kind_is_ever_renamed_or_removed() -> None:
    assert set(VOCABULARY) <= {str(kind) for kind in Kind}


def test_the_events_of_a_life_can_be_written() -> None:
    genesis = genesis_event(
        install_id="i",
        person="p-00000001",
        commitment="0" * 64,
        operator_key_id="0badcafe",
        rules_digest="r",
        schema_version="0002",
        version="0.1.0",
    )
    assert genesis.data["profile"] == "solo"
    boot = boot_event(
        boot_id="b",
        version="0.1.0",
        pid=1,
        rules_digest="r",
        config_digest="c",
        extra={"overrides": {"G-DEPLOY-02": "port 1235"}},
    )
    for made in (genesis, boot, shutdown_event(boot_id="b", reason="asked to stop")):
        draft(made)


@pytest.mark.parametrize("intent", OUTCOME_OF)
def test_every_intent_can_be_reconciled(intent: Kind) -> None:
    begun = {
        Kind.LOAD_INTENT: load_intent,
        Kind.UNLOAD_INTENT: unload_intent,
        Kind.ACT_INTENT: act_intent,
        Kind.PULL_INTENT: pull_intent,
    }[intent]
    body = canonical_body(begun("lmx/starter", actor=PERSON), STAMP)
    closing = reconciled(StoredEvent(seq=7, event_id="x", body=body, leaf=b""))
    assert closing.kind is OUTCOME_OF[intent]
    assert (closing.intent_seq, closing.subject, closing.actor) == (7, "lmx/starter", SYSTEM)
    assert closing.outcome == "interrupted_by_restart"
    draft(closing)
