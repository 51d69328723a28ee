"""The only place that says what an event is and what its canonical bytes are.

Bodies are RFC 8785 JSON without floats, bounded in size and depth. They name an actor by id, never
by a person's name, and hold no key, prompt or weight.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import orjson

from app.domain.actors import Actor
from app.evidence.schemas import InvalidData, check_data, check_outcome
from app.evidence.vocabulary import OUTCOME_OF, OUTCOMES, Kind

BODY_VERSION: Final = 2
MAX_BODY_BYTES: Final = 32 * 1024
MAX_DEPTH: Final = 16
MAX_INTEGER: Final = 2**53 - 1
"""What every JSON reader takes without loss; larger numbers are written as strings."""


class InvalidEvent(ValueError):
    """An event that cannot be written as canonical JSON: a bug where it was made."""


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """What happened, before it has a place in the log."""

    kind: Kind
    actor: Actor
    subject: str = ""
    outcome: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    intent_seq: int | None = None
    request_id: str | None = None
    evidence: tuple[bytes, ...] = ()
    """Bytes too large for a body: kept beside it under their SHA-256, which `data` names."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """When and where in the log an event was written. UTC may jump; the others tell."""

    seq: int
    event_id: str
    ts_utc_us: int
    mono_us: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that can be written, in canonical JSON but for its stamp. Made by `draft`.

    Everything that can be wrong with an event is found before anybody waits for its turn to write.
    """

    event: LedgerEvent
    _actor: str
    _data: str
    _rest: tuple[str, str, str, str, str]

    def body(self, stamp: Stamp) -> bytes:
        """Return the event's bytes: members in RFC 8785's order; equal events have equal bytes."""
        intent_seq, kind, outcome, request_id, subject = self._rest
        return (
            f'{{"actor":{self._actor},"boot_id":{_json(stamp.boot_id)},"data":{self._data},'
            f'"event_id":"{stamp.event_id}","intent_seq":{intent_seq},"kind":{kind},'
            f'"mono_us":{stamp.mono_us},"outcome":{outcome},"request_id":{request_id},'
            f'"seq":{stamp.seq},"subject":{subject},"ts_utc_us":{stamp.ts_utc_us},'
            f'"v":{BODY_VERSION}}}'
        ).encode()


def draft(event: LedgerEvent) -> Draft:
    """Return the event ready to be stamped, or raise InvalidEvent."""
    check_phase(event)
    made = Draft(
        event,
        _actor(event.actor),
        _canonical(event.data, "data"),
        (
            _canonical(event.intent_seq, "intent_seq"),
            _canonical(str(event.kind), "kind"),
            _canonical(event.outcome, "outcome"),
            _canonical(event.request_id, "request_id"),
            _canonical(event.subject, "subject"),
        ),
    )
    size = len(made.body(_LARGEST_STAMP))
    if size > MAX_BODY_BYTES:
        raise InvalidEvent(
            f"the event has {size} bytes; at most {MAX_BODY_BYTES} are allowed: "
            "name large evidence by its digest"
        )
    return made


@lru_cache(maxsize=256)
def _actor(actor: Actor) -> str:
    roles = sorted(str(role) for role in actor.roles)
    return _canonical({"id": actor.id, "person": actor.person, "roles": roles}, "actor")


def canonical_body(event: LedgerEvent, stamp: Stamp) -> bytes:
    """Return the event's bytes, or raise InvalidEvent."""
    return draft(event).body(stamp)


def check_phase(event: LedgerEvent) -> None:
    """Raise InvalidEvent for data or an outcome that its kind has not, or an outcome alone."""
    if event.kind in OUTCOMES and event.intent_seq is None:
        raise InvalidEvent(f"a {event.kind} needs the intent_seq that it closes")
    if event.kind in OUTCOME_OF and event.outcome is not None:
        raise InvalidEvent(f"a {event.kind} has no outcome yet")
    try:
        check_outcome(event.kind, event.outcome)
        check_data(event.kind, event.data)
    except InvalidData as error:
        raise InvalidEvent(str(error)) from error


def new_event_id(*, ts_utc_us: int, random: bytes) -> str:
    """Return a UUIDv7 (RFC 9562): milliseconds, then ten random bytes less six bits."""
    millis = (ts_utc_us // 1000) & (2**48 - 1)
    value = bytearray(millis.to_bytes(6, "big") + random[:10])
    value[6] = (value[6] & 0x0F) | 0x70
    value[8] = (value[8] & 0x3F) | 0x80
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


_LARGEST_STAMP: Final = Stamp(MAX_INTEGER, "f" * 36, MAX_INTEGER, MAX_INTEGER, "f" * 36)


_JSON: Final = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def _json(value: object) -> str:
    """RFC 8785 exactly, for what `_plain` lets through: no floats, and keys in ASCII, which sort
    alike by bytes and by the RFC's rule. A test compares it with the RFC's own implementation."""
    return orjson.dumps(value, option=_JSON).decode()


def _canonical(value: object, where: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _json(_text(value, where=f"event.{where}"))
    return _json(_plain(value, where=f"event.{where}", depth=1))


def _plain(value: object, *, where: str, depth: int) -> Any:
    """Copy `value` into plain JSON types, refusing whatever two readers could read differently."""
    if depth > MAX_DEPTH:
        raise InvalidEvent(f"{where} is nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where=where)
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise InvalidEvent(f"{where} exceeds 2^53 - 1: write it as a string")
        return int(value)
    if isinstance(value, Mapping):
        return {
            _key(key, where=where): _plain(item, where=f"{where}.{key}", depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _plain(item, where=f"{where}[{i}]", depth=depth + 1) for i, item in enumerate(value)
        ]
    if isinstance(value, float):
        raise InvalidEvent(f"{where} is a float: write an integer, or a decimal as a string")
    raise InvalidEvent(f"{where} is a {type(value).__name__}, which JSON does not have")


def _key(key: object, *, where: str) -> str:
    if not isinstance(key, str):
        raise InvalidEvent(f"{where} has a key that is a {type(key).__name__}, not a string")
    if not key.isascii():
        raise InvalidEvent(f"{where} has a key that is not ASCII")
    return str(key)


def _text(value: str, *, where: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"{where} holds half a character (a lone surrogate)") from error
    return str(value)
