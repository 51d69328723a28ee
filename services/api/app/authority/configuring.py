"""Use cases: reading the settings in force, and putting in force what the file says anew.

What a reload may change is decided by the settings' table; here it is granted, recorded, and only
then done. What cannot be recorded is not done.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.authority.permissions import Grant, Permission, grant
from app.domain.actors import Actor


@dataclass(frozen=True, slots=True)
class Prepared:
    """What the file says, found good, and not yet in force.

    `changed` and `waiting` name settings: those that this puts in force, and those that differ in
    the file and wait for a restart. `settings`: what is then in force, as canonical JSON, with its
    `digest`.
    """

    changed: tuple[str, ...]
    waiting: tuple[str, ...]
    settings: bytes
    digest: str
    put_in_force: Callable[[], None]


class Configuration(Protocol):
    """Both may wait for the disk."""

    def standing(self) -> dict[str, Any]:
        """The settings in force, where each came from, and what the file says by now."""
        ...

    def prepared(self) -> Prepared:
        """Read the file; raises ConfigInvalid with everything that is wrong in it."""
        ...


@dataclass(frozen=True, slots=True)
class Configuring:
    """Each method asks for a grant first."""

    configuration: Configuration
    ledger: Ledger
    _one_at_a_time: Lock = field(default_factory=Lock, init=False)

    async def standing(self, actor: Actor) -> dict[str, Any]:
        grant(actor, Permission.CONFIG_READ)
        return await asyncio.to_thread(self.configuration.standing)

    async def reload(self, actor: Actor, request_id: str | None = None) -> dict[str, Any]:
        """Read the file anew; `event` is what records it, None where nothing changed."""
        may = grant(actor, Permission.CONFIG_RELOAD)
        return await asyncio.to_thread(self._reload, may, request_id)

    def _reload(self, may: Grant, request_id: str | None) -> dict[str, Any]:
        with self._one_at_a_time:
            found = self.configuration.prepared()
            event = None
            if found.changed:
                event = self._recorded(found, may, request_id)
                found.put_in_force()
        return {"changed": list(found.changed), "waiting": list(found.waiting), "event": event}

    def _recorded(self, found: Prepared, may: Grant, request_id: str | None) -> int:
        data = {
            "changed": list(found.changed),
            "waiting": list(found.waiting),
            "config_digest": found.digest,
        }
        event = LedgerEvent(
            Kind.CONFIG_RELOADED,
            may.actor,
            data=data,
            request_id=request_id,
            evidence=(found.settings,),
        )
        return self.ledger.append(event).seq
