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
    check,
    new_event_id,
)
from app.authority.ledger.lifetime import boot_event, genesis_event, reconciled, shutdown_event
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM, Actor, Role

STAMP = Stamp(seq=7, event_id="0" * 36, ts_utc_us=1, mono_us=2, boot_id="b")
PERSON = Actor(id="key:0badcafe", name="Ada Lovelace", roles=frozenset({Role.OPERATOR}))


def event(**changes: Any) -> LedgerEvent:
    return LedgerEvent(**{"kind": Kind.BOOT, "actor": PERSON, "subject": "s", **changes})


def test_a_body_is_exactly_this() -> None:
    body = canonical_body(event(data={"b": [1, True, None], "a": "é\n"}), STAMP)
    assert (
        body
        == (
            '{"actor":{"id":"key:0badcafe","person":null,"roles":["operator"]},"boot_id":"b",'
            '"data":{"a":"é\\n","b":[1,true,null]},"event_id":"' + "0" * 36 + '",'
            '"intent_seq":null,"kind":"boot","mono_us":2,"outcome":null,"request_id":null,"seq":7,'
            '"subject":"s","ts_utc_us":1,"v":2}'
        ).encode()
    )


def test_a_body_names_no_person() -> None:
    assert b"Lovelace" not in canonical_body(event(), STAMP)


def test_keys_are_sorted_by_utf_16_units_as_the_rfc_says() -> None:
    body = canonical_body(event(data={"\U0001f600": 1, "\ufb33": 2}), STAMP)
    assert list(json.loads(body)["data"]) == ["\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"x": 1.5}, "event.data.x is a float"),
        ({"x": float("nan")}, "float"),
        ({"x": [{"y": float("inf")}]}, r"event.data.x\[0\].y is a float"),
        ({"x": MAX_INTEGER + 1}, "write it as a string"),
        ({"x": -MAX_INTEGER - 1}, "write it as a string"),
        ({"x": "\ud800"}, "half a character"),
        ({"\udc00": 1}, "half a character"),
        ({1: "x"}, "not a string"),
        ({"x": b"bytes"}, "bytes, which JSON does not have"),
        ({"x": {1, 2}}, "set, which JSON does not have"),
        ({"x": object()}, "which JSON does not have"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(data: Any, why: str) -> None:
    with pytest.raises(InvalidEvent, match=why):
        canonical_body(event(data=data), STAMP)
    with pytest.raises(ValueError, match=why):
        check(event(data=data))


def test_depth_is_bounded() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidEvent, match="nested deeper"):
        canonical_body(event(data={"x": deep}), STAMP)


def test_a_body_may_have_the_limit_and_not_one_byte_more() -> None:
    room = MAX_BODY_BYTES - len(canonical_body(event(data={"x": ""}), STAMP))
    assert len(canonical_body(event(data={"x": "a" * room}), STAMP)) == MAX_BODY_BYTES
    with pytest.raises(InvalidEvent, match="name large evidence by its digest"):
        canonical_body(event(data={"x": "a" * (room + 1)}), STAMP)


def test_nul_and_newlines_cannot_break_out_of_their_string() -> None:
    body = canonical_body(event(subject='a\n"}\x00'), STAMP)
    assert b"\n" not in body
    assert b"\x00" not in body
    assert json.loads(body)["subject"] == 'a\n"}\x00'


def test_an_outcome_names_its_intent_and_an_intent_has_no_outcome() -> None:
    for intent, outcome in OUTCOME_OF.items():
        with pytest.raises(InvalidEvent, match="needs the intent_seq"):
            check(event(kind=outcome, outcome="done"))
        with pytest.raises(InvalidEvent, match="no outcome yet"):
            check(event(kind=intent, outcome="done"))


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
        account="a",
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
        check(made)


@pytest.mark.parametrize("intent", OUTCOME_OF)
def test_every_intent_can_be_reconciled(intent: Kind) -> None:
    body = canonical_body(LedgerEvent(intent, PERSON, subject="lmx/starter"), STAMP)
    closing = reconciled(StoredEvent(seq=7, event_id="x", body=body, leaf=b""))
    assert closing.kind is OUTCOME_OF[intent]
    assert (closing.intent_seq, closing.subject, closing.actor) == (7, "lmx/starter", SYSTEM)
    assert closing.outcome == "interrupted_by_restart"
    check(closing)
