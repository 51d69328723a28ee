"""Whether a tile's events are all as they should be, and nothing about how they are not.

Parsing bodies, writing them again and deriving their index rows costs nearly all of a verification,
and a million of them have only a few dozen shapes: a kind, and the keys of its data. So a body is
examined in full when its shape is first seen, and the shape is then a pattern: those keys, which
are in order, and between them any values that have one spelling only (strings without escapes,
small integers, nothing nested deeper than one list or object). What the pattern takes is canonical
because of that, and its groups are what the index is made of. Every other body, and every tile in
which anything is odd, goes the long way: `bodies`, `closely`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import orjson

from app.evidence.indexing import TEXTS, Who, index_row, row_of, who
from app.evidence.verification.bodies import BodyInvalid, examined, is_actor

EventRow = tuple[int, str, bytes, bytes]
"""seq, event_id, body, leaf"""

_ODD: Final = (BodyInvalid, ValueError, TypeError, KeyError, AttributeError)
_Match = Callable[[str], "re.Match[str] | None"]

_NOT_PLAIN: Final = bytes(range(0x20)) + b"\\"
"""A body without these bytes has no escapes, and a quote in it ends or begins a string."""

# Up to sixteen digits, without those above 2^53 - 1 (and some below: they go the long way).
_INTEGER: Final = r"(?:0|-?+(?:[1-8][0-9]{0,15}+|9[0-9]{0,14}+))"
_TEXT: Final = '"[^"]*+"'
_GROUP: Final = '"([^"]*+)"'
_OTHER: Final = f"{_INTEGER}|null|true|false"
_PLAIN: Final = f"(?:{_TEXT}|{_OTHER})"
_PLAIN_GROUP: Final = f"(?:{_GROUP}|{_OTHER})"
_LIST: Final = rf"\[(?:{_PLAIN}(?:,{_PLAIN})*+)?\]"
_ABSENT: Final = "((?!))?"
# What is between them says `_who`, once for every actor.
_ACTOR: Final = {
    1: rf'(\{{"id":{_TEXT},"roles":[^}}]*+\}})',
    2: rf'(\{{"id":{_TEXT},"person":[^}}]*+\}})',
}
_FIELDS_OF_AN_ACTOR: Final = (("id", "roles"), ("id", "person", "roles"))
_HELD: Final = 1 + len(TEXTS)
"""Groups of a pattern for the actor and for what the index takes from the data."""
_SHAPES_OF_A_KIND: Final = 8
_shapes: Final[dict[str, dict[str, _Match]]] = {}
"""Kind -> the shapes of its events that this process has seen. They hold for every ledger."""


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
            rows.append(_row(body, seq, event_id))
    except _ODD:
        return None
    return leaves if list(index) == rows[: max(0, indexed - first + 1)] else None


def leaves_if_canonical(first: int, bodies: Sequence[bytes]) -> list[bytes] | None:
    """Return the leaves of the events from `first` on, None where one is odd; there are no rows."""
    try:
        for seq, body in enumerate(bodies, first):
            _row(body, seq, None)
    except _ODD:
        return None
    return [sha256(b"\x00" + body).digest() for body in bodies]


def _row(body: bytes, seq: int, event_id: str | None) -> tuple[Any, ...]:
    """Return the event's index row; raises where the event is not what it should be."""
    text = body.decode()
    at = text.rfind('"kind":"') + 8
    kind = text[at : text.find('"', at)]
    plain = len(body.translate(None, _NOT_PLAIN)) == len(body)
    if plain and kind in _shapes:
        for match in _shapes[kind].values():
            if found := match(text):
                groups = found.groups()
                id_, intent, outcome, request, number, subject, time = groups[_HELD:]
                named = _who(groups[0])
                if named is None or int(number) != seq or event_id not in (None, id_):
                    break
                intended = None if intent is None else int(intent)
                texts = groups[1:_HELD]
                return row_of(
                    seq, int(time), kind, named, subject, outcome, intended, request, texts
                )
    fields = examined(body, seq, event_id)
    if plain:
        _learn(fields)
    return index_row(fields)


@lru_cache(maxsize=4096)
def _who(actor: str) -> Who | None:
    """Return what the index has of an actor; None where it is not written as it should be.

    Its pattern has looked at the id and at which of the other fields is next.
    """
    try:
        found = orjson.loads(actor)
    except orjson.JSONDecodeError:
        return None
    right = tuple(found) in _FIELDS_OF_AN_ACTOR and is_actor(found)
    return who(found) if right and orjson.dumps(found).decode() == actor else None


def _learn(fields: Mapping[str, Any]) -> None:
    """Take up the shape of a plain body that was found to be right, if a pattern can hold it."""
    known = _shapes.setdefault(fields["kind"], {})
    pattern = _pattern(fields)
    if pattern is not None and pattern not in known and len(known) < _SHAPES_OF_A_KIND:
        known[pattern] = re.compile(pattern).fullmatch


def _pattern(fields: Mapping[str, Any]) -> str | None:
    data = _object(fields["data"], TEXTS)
    if data is None:
        return None
    return (
        rf'\{{"actor":{_ACTOR[fields["v"]]},"boot_id":{_TEXT},"data":{data},'
        rf'"event_id":{_GROUP},"intent_seq":(?:null|({_INTEGER})),"kind":"{fields["kind"]}",'
        rf'"mono_us":{_INTEGER},"outcome":(?:null|{_GROUP}),"request_id":(?:null|{_GROUP}),'
        rf'"seq":({_INTEGER}),"subject":{_GROUP},"ts_utc_us":({_INTEGER}),"v":{fields["v"]}\}}'
    )


def _object(found: Mapping[str, Any], groups: Sequence[str] = ()) -> str | None:
    """Return a pattern of these very keys, which are in order; `groups`, in order too, are caught.

    A group that has no key here catches nothing, so that all shapes have the same groups.
    """
    if not "".join(found).isascii():
        return None  # canonical order is another than Python's
    pattern, comma = "", ""
    for key in sorted({*found, *groups}):
        if key not in found:
            pattern += _ABSENT
            continue
        value = _value(found[key], inner=not groups)
        if value is None:
            return None
        if key in groups:
            value = _PLAIN_GROUP if value is _PLAIN else f"(?:{_ABSENT}{value})"
        pattern += f'{comma}"{re.escape(key)}":{value}'
        comma = ","
    return rf"\{{{pattern}\}}"


def _value(found: Any, *, inner: bool) -> str | None:
    if type(found) is dict:
        return None if inner else _object(found)
    if type(found) is list:
        return None if inner or any(type(item) in (dict, list) for item in found) else _LIST
    return _PLAIN
