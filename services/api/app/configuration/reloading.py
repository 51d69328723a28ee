"""Which settings a reload puts in force while the server runs, and what the others wait for. Pure.

A reload may change how long is waited, how much is held and what is logged. What the server
promised at its start (who may call, what is asked for, where the ledger is copied to, how long
things are kept) stays as that start recorded it until the next one.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from app.settings import Settings

RELOADED: Final = frozenset(
    {"log_level", "queue_limit", "idle_ttl_s", "request_timeout_s", "drain_timeout_s", "limits"}
)
"""Settings and whole sections. Whoever uses one asks `Current` each time."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a reload puts in force: `changed` by it, `waiting` for a restart; names in order."""

    before: Settings
    after: Settings
    changed: tuple[str, ...]
    waiting: tuple[str, ...]


def change(in_force: Settings, wanted: Settings) -> Change:
    """What reading `wanted` changes while `in_force` holds."""
    after = in_force.model_copy(update={name: getattr(wanted, name) for name in RELOADED})
    return Change(in_force, after, differing(in_force, after), differing(after, wanted))


def is_reloaded(name: str) -> bool:
    """Whether a setting, by its name as in `limits.per_minute`, needs no restart."""
    return name.split(".", 1)[0] in RELOADED


def differing(one: Settings, other: Settings) -> tuple[str, ...]:
    values = flat(other)
    return tuple(name for name, value in flat(one).items() if values[name] != value)


def flat(settings: Settings) -> dict[str, Any]:
    """Each setting by its name, as plain values, in the order of the template."""
    return dict(_flat(settings, ""))


def _flat(section: BaseModel, within: str) -> Iterator[tuple[str, Any]]:
    plain = section.model_dump(mode="json")
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{name}.")
        else:
            yield within + name, plain[name]


def canonical(settings: Settings) -> bytes:
    """The settings as the ledger keeps them: JSON, names sorted. They hold no secret."""
    configured = settings.model_dump(mode="json")
    return json.dumps(configured, sort_keys=True, separators=(",", ":")).encode()


def digest(settings: Settings) -> str:
    return hashlib.sha256(canonical(settings)).hexdigest()
