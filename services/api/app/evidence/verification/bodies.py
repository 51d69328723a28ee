"""The only place that judges one event's bytes by themselves: canonical, complete, in its place.

A body that any correct writer could have written has exactly one form (RFC 8785), so duplicate
keys, other spellings of a number or a string, and spaces all show when it is written again.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

import rfc8785

from app.evidence.vocabulary import Kind

MAX_DEPTH: Final = 16
MAX_INTEGER: Final = 2**53 - 1

_FIELDS: Final = tuple(
    "actor boot_id data event_id intent_seq kind mono_us outcome request_id seq subject"
    " ts_utc_us v".split()
)
_ACTOR: Final = {1: ("id", "roles"), 2: ("id", "person", "roles")}
_NONE: Final = type(None)
_TYPES: Final = frozenset(
    (dict, str, dict, str, intent, str, int, outcome, request, int, str, int, int)
    for intent in (int, _NONE)
    for outcome in (str, _NONE)
    for request in (str, _NONE)
)
KINDS: Final = frozenset(map(str, Kind))


class BodyInvalid(ValueError):
    """Continues "event 7 ...": what is wrong with its body."""


def _no_number(text: str) -> None:
    raise BodyInvalid(f"holds the number {text[:40]}, and events hold integers only")


_parse: Final = json.JSONDecoder(parse_float=_no_number, parse_constant=_no_number).raw_decode
_write: Final = json.JSONEncoder(
    check_circular=False, ensure_ascii=False, separators=(",", ":")
).encode


def examined(body: bytes, seq: int, event_id: str | None) -> Mapping[str, Any]:
    """Return the parsed body of event `seq`, or raise BodyInvalid.

    `event_id` is what its row says, None where there is no row.
    """
    try:
        text = body.decode()
        fields, end = _parse(text)
        if not (type(fields) is dict and end == len(text)):
            raise BodyInvalid("is not one JSON object")
        # The first three hold for what canonical_body writes; all else is looked at closely.
        usual = tuple(fields) == _FIELDS and _write(fields) == text
        if not (usual and _ascending(fields["actor"], 1) and _ascending(fields["data"], 1)):
            _look_closer(fields, body)
    except BodyInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise BodyInvalid("is not JSON in UTF-8") from error
    _check_fields(fields)
    if fields["seq"] != seq:
        raise BodyInvalid(f"says that it is event {fields['seq']:,}: it was moved here")
    if event_id not in (None, fields["event_id"]):
        raise BodyInvalid("has another id than its row: one of the two was changed")
    return fields


def _ascending(value: Any, depth: int) -> bool:
    """Whether an object's keys are ASCII and in order, and what is in it within the limits."""
    keys = list(value)
    if depth > MAX_DEPTH or keys != sorted(keys) or not "".join(keys).isascii():
        return False
    return all(_bounded(item, depth + 1) for item in value.values())


def _bounded(item: Any, depth: int) -> bool:
    kind = type(item)
    if kind is str or item is None or kind is bool:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= item <= MAX_INTEGER)
    if kind is list:
        return depth <= MAX_DEPTH and all(_bounded(inner, depth + 1) for inner in item)
    return type(item) is dict and _ascending(item, depth)


def _look_closer(fields: dict[str, Any], body: bytes) -> None:
    """Raise BodyInvalid unless these are RFC 8785's bytes; slow, and rarely needed."""
    try:
        canonical = rfc8785.dumps(fields)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise BodyInvalid("holds what canonical JSON cannot: it was not written so") from error
    if canonical != body:
        raise BodyInvalid("is not canonical JSON (RFC 8785): the same content is written otherwise")
    if _depth(fields) > MAX_DEPTH + 1:
        raise BodyInvalid(f"is nested deeper than {MAX_DEPTH} levels")


def _depth(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(_depth, inner), default=0)


def _check_fields(fields: Mapping[str, Any]) -> None:
    version = fields.get("v")
    actor = _ACTOR.get(version) if type(version) is int else None
    if actor is None:
        raise BodyInvalid(f"has version {str(version)[:20]}, which this release does not know")
    if tuple(fields) != _FIELDS or tuple(map(type, fields.values())) not in _TYPES:
        raise BodyInvalid(f"does not have the fields of version {version}")
    who = fields["actor"]
    if tuple(who) != actor or not is_actor(who):
        raise BodyInvalid(f"does not name its actor as version {version} does")
    if fields["kind"] not in KINDS:
        raise BodyInvalid(
            f"is of the kind {fields['kind'][:40]!r}, which this release does not know"
        )


def is_actor(who: Mapping[str, Any]) -> bool:
    roles, person = who["roles"], who.get("person")
    return (
        type(who["id"]) is str
        and (person is None or type(person) is str)
        and type(roles) is list
        and all(type(role) is str for role in roles)
    )
