"""A long answer is written at once, and reads as the one FastAPI would have written."""

import json
from typing import Any

import pytest
from starlette.responses import JSONResponse

from app.authority.ledger.stored import StoredEvent
from app.evidence.merkle import leaf_hash
from app.routers.authority.answers import answer

PLAIN: list[dict[str, Any]] = [
    {},
    {"events": [{"seq": 1, "body": {"reason": "zu groß \u2028 \U0001f600 \x7f\x00"}}]},
    {"n": 2**53 - 1, "f": 0.5, "t": True, "none": None, "names": ("a", "b")},
    {"largest": 2**63 - 1, "smallest": -(2**63)},
]


@pytest.mark.parametrize("content", PLAIN)
def test_it_is_what_starlette_writes(content: dict[str, Any]) -> None:
    written, expected = answer(content), JSONResponse(content)
    assert written.body == expected.body
    assert written.headers == expected.headers


def test_what_is_not_plain_is_answered_too() -> None:
    deep: Any = 1
    for _ in range(280):
        deep = [deep]
    for odd in (b"bytes of an altered index", 2**70, {1: 2}, deep):
        assert "odd" in json.loads(bytes(answer({"odd": odd}).body))


@pytest.mark.parametrize(
    "body",
    [
        b'{"event_id":"e","seq":1,"subject":"\\ud800"}',
        b'{"event_id":"e","seq":1,"subject":NaN}',
        b'{"event_id":"e","seq":1,"data":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b"\xef\xbb\xbf{}",
        b"\xff",
        b"[]",
        b"",
    ],
)
def test_a_body_past_reading_is_empty_and_shown_as_not_intact(body: bytes) -> None:
    stored = StoredEvent(1, "e", body, leaf_hash(body))
    assert not stored.intact
    assert json.loads(bytes(answer(stored.as_dict()).body))["body"] == {}
