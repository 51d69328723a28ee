"""Whether a tile's events are all as they should be, and nothing about how they are not.

Parsing a body and writing it again costs most of a verification. Bodies as the server usually
writes them (no escapes in their strings, nothing nested deeper than one list or object) have one
spelling only that this pattern takes, so for these the pattern is the proof that they are
canonical. Every other body, and every tile in which anything is odd, goes the long way, `bodies`.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import orjson

from app.evidence.indexing import index_row
from app.evidence.verification.bodies import KINDS, BodyInvalid, examined

_TEXT: Final = r'"[^"\\\x00-\x1f]*+"'
_GROUP: Final = r'"([^"\\\x00-\x1f]*+)"'
# Up to sixteen digits, without those above 2^53 - 1 (and some below: they go the long way).
_INTEGER: Final = r"(?:0|-?+(?:[1-8][0-9]{0,15}+|9[0-9]{0,14}+))"
_PLAIN: Final = f"(?:{_TEXT}|{_INTEGER}|null|true|false)"
_LIST: Final = rf"\[(?:{_PLAIN}(?:,{_PLAIN})*+)?\]"
_INNER: Final = rf"\{{(?:{_TEXT}:{_PLAIN}(?:,{_TEXT}:{_PLAIN})*+)?\}}"
_VALUE: Final = f"(?:{_PLAIN}|{_LIST}|{_INNER})"
_DATA: Final = rf"\{{(?:{_TEXT}:{_VALUE}(?:,{_TEXT}:{_VALUE})*+)?\}}"
_BODY: Final = re.compile(
    rf'\{{"actor":\{{"id":{_GROUP}(,"person":(?:null|{_GROUP}))?,'
    rf'"roles":\[((?:{_TEXT}(?:,{_TEXT})*+)?)\]\}},"boot_id":{_TEXT},"data":({_DATA}),'
    rf'"event_id":{_GROUP},"intent_seq":(null|{_INTEGER}),"kind":{_GROUP},'
    rf'"mono_us":{_INTEGER},"outcome":(?:null|{_GROUP}),"request_id":(?:null|{_GROUP}),'
    rf'"seq":({_INTEGER}),"subject":{_GROUP},"ts_utc_us":({_INTEGER}),"v":([12])\}}'
).fullmatch

EventRow = tuple[int, str, bytes, bytes]
"""seq, event_id, body, leaf"""


def leaves_if_whole(
    first: int, events: Sequence[EventRow], index: Sequence[tuple[Any, ...]], indexed: int
) -> list[bytes] | None:
    """Return the leaves of the events from `first` on, or None where anything at all is odd.

    `index` are the index's rows for the same range, of which those up to `indexed` must be there.
    """
    rows: list[tuple[Any, ...]] = []
    leaves: list[bytes] = []
    try:
        for seq, (number, event_id, body, leaf) in enumerate(events, first):
            digest = sha256(b"\x00" + body).digest()
            if digest != leaf or number != seq:
                return None
            leaves.append(digest)
            rows.append(index_row(_fields(body, seq, event_id)))
    except (BodyInvalid, ValueError, TypeError, KeyError, AttributeError):
        return None
    return leaves if list(index) == rows[: max(0, indexed - first + 1)] else None


def leaves_if_canonical(first: int, bodies: Sequence[bytes]) -> list[bytes] | None:
    """Return the leaves of the events from `first` on, None where one is odd; there are no rows."""
    try:
        for seq, body in enumerate(bodies, first):
            _fields(body, seq, None)
    except (BodyInvalid, ValueError, TypeError, KeyError, AttributeError):
        return None
    return [sha256(b"\x00" + body).digest() for body in bodies]


def _fields(body: bytes, seq: int, event_id: str | None) -> Mapping[str, Any]:
    """Return what the index is made of; raises where the event is not what it should be."""
    found = _BODY(body.decode())
    if found is None:
        return examined(body, seq, event_id)
    (
        actor, versioned, person, roles, inside, id_, intent, kind, outcome, request, number,
        subject, time, version,
    ) = found.groups()  # fmt: skip
    data = orjson.loads(inside)
    usual = event_id in (None, id_) and int(number) == seq and kind in KINDS
    if not (usual and (version == "2") is (versioned is not None) and _in_order(data, inside)):
        return examined(body, seq, event_id)
    return {
        "seq": seq,
        "ts_utc_us": int(time),
        "kind": kind,
        "actor": {"id": actor, "person": person, "roles": _roles(roles)},
        "subject": subject,
        "data": data,
        "outcome": outcome,
        "intent_seq": None if intent == "null" else int(intent),
        "request_id": request,
    }


def _in_order(data: dict[str, Any], text: str) -> bool:
    """Whether keys are ASCII, ascend and come once: the text has as many as were parsed.

    Strings have no quotes in them here, so that `":` ends a key and nothing else.
    """
    count = len(data)
    if dict in map(type, data.values()):
        for value in data.values():
            if type(value) is dict:
                count += len(value)
                if not _ascend(tuple(value)):
                    return False
    return count == text.count('":') and _ascend(tuple(data))


@lru_cache(maxsize=4096)
def _ascend(keys: tuple[str, ...]) -> bool:
    """Kept, because the events of a kind have the same keys."""
    return list(keys) == sorted(keys) and "".join(keys).isascii()


@lru_cache(maxsize=256)
def _roles(text: str) -> list[str]:
    return text[1:-1].split('","') if text else []
