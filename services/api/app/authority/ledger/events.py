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
    """An event that can be written: everything but its stamp is checked. Made by `draft`.

    What can be wrong with an event is found before anybody waits for its turn to write.
    """

    event: LedgerEvent
    _fields: Mapping[str, Any]

    def fields(self, stamp: Stamp) -> dict[str, Any]:
        """Return the body as plain values, as they are read back from its bytes."""
        return {
            **self._fields,
            "boot_id": stamp.boot_id,
            "event_id": stamp.event_id,
            "mono_us": stamp.mono_us,
            "seq": stamp.seq,
            "ts_utc_us": stamp.ts_utc_us,
        }


def draft(event: LedgerEvent) -> Draft:
    """Return the event ready to be stamped, or raise InvalidEvent."""
    check_phase(event)
    made = Draft(
        event,
        {
            "v": BODY_VERSION,
            "kind": str(event.kind),
            "actor": _actor(event.actor),
            "subject": _plain(event.subject, where="event.subject"),
            "outcome": _plain(event.outcome, where="event.outcome"),
            "intent_seq": _plain(event.intent_seq, where="event.intent_seq"),
            "request_id": _plain(event.request_id, where="event.request_id"),
            "data": _plain(event.data, where="event.data"),
        },
    )
    try:
        size = len(canonical(made.fields(_LARGEST_STAMP)))
    except TypeError:  # half a character, or a number past 2^53 - 1: say where
        for name, value in made.fields(_LARGEST_STAMP).items():
            _copied(value, where=f"event.{name}", depth=1)
        raise
    if size > MAX_BODY_BYTES:
        raise InvalidEvent(
            f"the event has {size} bytes; at most {MAX_BODY_BYTES} are allowed: "
            "name large evidence by its digest"
        )
    return made


@lru_cache(maxsize=256)
def _actor(actor: Actor) -> Mapping[str, Any]:
    roles = sorted(str(role) for role in actor.roles)
    return {"id": actor.id, "person": actor.person, "roles": roles}


def canonical_body(event: LedgerEvent, stamp: Stamp) -> bytes:
    """Return the event's bytes, or raise InvalidEvent."""
    return canonical(draft(event).fields(stamp))


def canonical(fields: Mapping[str, Any]) -> bytes:
    """RFC 8785 exactly, for what `draft` lets through: no floats, and keys in ASCII, which sort
    alike by bytes and by the RFC's rule. A test compares it with the RFC's own implementation."""
    return orjson.dumps(fields, option=_JSON)


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
_SCALARS: Final = frozenset({str, int, bool, type(None)})


def _plain(value: object, *, where: str) -> Any:
    """Return `value` in plain JSON types, refusing what two readers could read differently."""
    return value if _is_plain(value, 1) else _copied(value, where=where, depth=1)


def _is_plain(value: object, depth: int) -> bool:
    """Whether the fast way takes it as it is; what it cannot be sure of goes the slow way."""
    kind = type(value)
    if kind in _SCALARS:
        return True
    if depth >= MAX_DEPTH:
        return False
    if isinstance(value, dict):
        return kind is dict and all(
            type(key) is str
            and key.isascii()
            and (type(item) in _SCALARS or _is_plain(item, depth + 1))
            for key, item in value.items()
        )
    if isinstance(value, list):
        return all(type(item) in _SCALARS or _is_plain(item, depth + 1) for item in value)
    return False


def _copied(value: object, *, where: str, depth: int) -> Any:
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
            _key(key, where=where): _copied(item, where=f"{where}.{key}", depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [
            _copied(item, where=f"{where}[{i}]", depth=depth + 1) for i, item in enumerate(value)
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
