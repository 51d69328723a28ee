"""Looks at all connections once a second, lets go of who is waited for in vain, and makes room."""

import asyncio
import resource
from collections.abc import Callable
from typing import Protocol

from app.routers.patience import (
    RESERVED_CONNECTIONS,
    Patience,
    Seen,
    Verdict,
    judged,
    most_connections,
    place_in_yielding,
)

LOOKS_EVERY_S = 1.0


class Watched(Protocol):
    """A connection. `crowded`: it came when there was room for reserved routes alone."""

    loop: asyncio.AbstractEventLoop
    crowded: bool

    def seen(self, now: float) -> Seen: ...

    def suffer(self, verdict: Verdict) -> None: ...


class Watch:
    """Looks at every connection once a second, and makes room where there is none."""

    def __init__(self, patience: Callable[[], Patience]) -> None:
        self._patience = patience
        self._held: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def hold(self, connection: Watched) -> bool:
        """Take it in; False where it is one too many even so."""
        room = most_connections(self._patience().connections, _open_files())
        if len(self._held) >= room:
            self._make_room(connection.loop.time(), max(1, room // 16))
        connection.crowded = len(self._held) >= room
        if len(self._held) >= room + RESERVED_CONNECTIONS:
            return False
        self._held[connection] = None
        if self._timer is None:
            self._timer = connection.loop.call_later(LOOKS_EVERY_S, self._tick, connection.loop)
        return True

    def forget(self, connection: Watched) -> None:
        self._held.pop(connection, None)

    def look(self, now: float) -> None:
        """Let go of whoever was waited for long enough."""
        patience = self._patience()
        for connection in tuple(self._held):
            connection.suffer(judged(connection.seen(now), patience))

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self.look(loop.time())
        if self._held:
            self._timer = loop.call_later(LOOKS_EVERY_S, self._tick, loop)

    def _make_room(self, now: float, count: int) -> None:
        """`count` at once: looking at all of them for each newcomer would be a flood's gain."""
        places = [(place_in_yielding(one.seen(now)), one) for one in self._held]
        yielding = sorted(((place, id(one), one) for place, one in places if place is not None))
        for _, _, connection in yielding[:count]:
            self.forget(connection)
            connection.suffer(Verdict.CUT)


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else soft
