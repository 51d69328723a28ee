"""The only place that reads what a person asks the ledger for, and says what may be asked."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Final

from app.authority.ledger.counting import BY
from app.authority.ledger.filters import Filter
from app.authority.permissions import Permission
from app.domain.actors import Role
from app.domain.refusals import InvalidRequest
from app.evidence.vocabulary import ACTION, Kind

TIMES: Final[Mapping[str, str]] = {"since": "since_us", "until": "until_us"}
_NOT_ASKED_FOR: Final = frozenset({*TIMES.values(), "has_run"})
FILTERS: Final = (*TIMES, *(f.name for f in fields(Filter) if f.name not in _NOT_ASKED_FOR))
"""Every filter by the name it is asked for."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ONE_OF: Final[Mapping[str, frozenset[str]]] = {
    "kind": frozenset(map(str, Kind)),
    "role": frozenset(map(str, Role)),
    "action": frozenset(ACTION.values()) | frozenset(map(str, Permission)),
    "by": frozenset(BY),
}


def filter_of(asked: Mapping[str, str | None]) -> Filter:
    """Return what is asked for, or raise InvalidRequest that says what is allowed."""
    given = {name: value for name, value in asked.items() if value is not None}
    for name, value in given.items():
        one_of(name, value)
        if not value.strip():
            raise InvalidRequest(f"{name}: is empty. Leave it out, or give a value.", param=name)
    times = {TIMES[name]: micros(name, given.pop(name)) for name in TIMES if name in given}
    return Filter(**times, **given)  # type: ignore[arg-type]


def one_of(name: str, value: str) -> str:
    """Return `value`, or raise InvalidRequest where `name` takes other values only."""
    allowed = _ONE_OF.get(name)
    if allowed is not None and value not in allowed:
        raise InvalidRequest(
            f"{name}: {value[:60]!r} is not one. Allowed are: {', '.join(sorted(allowed))}.",
            param=name,
        )
    return value


def micros(name: str, text: str) -> int:
    """RFC 3339, or a date, as microseconds since 1970. `until` a date is until that day is over."""
    try:
        moment = datetime.fromisoformat(text)
        if len(text) == len("2026-01-31") and name == "until":
            moment += timedelta(days=1)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(
            f"{name}: {text[:60]!r} is no time. Write 2026-01-31, or 2026-01-31T12:00:00Z as in "
            "RFC 3339; without an offset it is UTC.",
            param=name,
        ) from error


def described(asked: Mapping[str, object]) -> str:
    """What was asked, in one line, for the record of who read what."""
    return " ".join(f"{name}={value}" for name, value in asked.items() if value is not None)
