"""The only place that hands out what advice is made from: a snapshot a minute, for whoever asks.

What proposals bring as evidence is compared with the snapshots that were handed out last. Those are
kept in memory, without the use by the hour, which is most of them and which no evidence names.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import orjson

from app.authority.advice.facts import Taken
from app.authority.ports import Clock
from app.domain.advice.snapshot import as_plain

EVERY_S: Final = 60.0
KEPT: Final = 8
"""Snapshots that proposals may name."""


@dataclass(frozen=True, slots=True)
class Published:
    """`body`: the snapshot as canonical JSON; `digest`: its SHA-256 in hex."""

    digest: str
    body: bytes
    at_us: int


class Publishing:
    """On one event loop; snapshots are built beside it."""

    def __init__(
        self,
        build: Callable[[], Taken],
        clock: Clock,
        give_back: Callable[[], None] = lambda: None,
    ) -> None:
        """`build` is called on a thread, by one at a time; then `give_back`, as it took memory."""
        self._build = build
        self._give_back = give_back
        self._clock = clock
        self._building: asyncio.Task[Published] | None = None
        self._newest: Published | None = None
        self._newest_at = 0.0
        # Always the same one: what each thread needed for a month of use stays its own.
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._facts: OrderedDict[str, Mapping[str, Any]] = OrderedDict()

    async def now(self) -> Published:
        """The newest one, made anew where it is a minute old. Raises AuditUnavailable."""
        made, age_s = self._newest, self._clock.monotonic() - self._newest_at
        if made is not None and 0 <= age_s < EVERY_S:
            return made
        if self._building is None or self._building.done():
            self._building = asyncio.create_task(self._made())
        # Whoever leaves meanwhile does not end it: others wait for the same one.
        return await asyncio.shield(self._building)

    def facts(self, digest: str) -> Mapping[str, Any] | None:
        """A snapshot that was handed out lately, as plain values without `use`; else None."""
        return self._facts.get(digest)

    async def _made(self) -> Published:
        at = self._clock.monotonic()
        self._newest = None  # before the next one takes as much
        loop = asyncio.get_running_loop()
        published, facts = await loop.run_in_executor(self._thread, self._publish)
        self._newest, self._newest_at = published, at
        loop.call_later(EVERY_S, self._forget, published)
        self._facts[published.digest] = facts
        self._facts.move_to_end(published.digest)
        while len(self._facts) > KEPT:
            self._facts.popitem(last=False)
        return published

    def _forget(self, published: Published) -> None:
        """It is large, and nobody is given it any more."""
        if self._newest is published:
            self._newest = None

    def _publish(self) -> tuple[Published, Mapping[str, Any]]:
        taken = self._build()
        body, facts = written(taken)
        self._give_back()
        return Published(hashlib.sha256(body).hexdigest(), body, taken.facts.taken_us), facts


def written(taken: Taken) -> tuple[bytes, dict[str, Any]]:
    """The snapshot as canonical JSON, and its facts as plain values without `use`."""
    facts = as_plain(taken.facts)
    use = {
        "models": taken.use.models,
        "names": taken.use.names,
        "columns": {name: f"[{text}]".encode() for name, text in taken.use.columns.items()},
    }
    del facts["use"]
    into = BytesIO()
    into.writelines(_canonical({**facts, "use": use}, 3))
    return into.getvalue(), facts


def _canonical(value: Any, levels: int) -> Iterator[bytes]:
    """JSON as RFC 8785 writes it: keys are ASCII, and there are no fractions. Bytes are JSON.

    Objects of the upper levels in parts, each a moment's work: what is written at once holds up
    every other thread.
    """
    if isinstance(value, bytes):
        yield value
    elif levels == 0 or not isinstance(value, Mapping):
        yield orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    else:
        separator = b"{"
        for key in sorted(value):
            yield separator + orjson.dumps(key) + b":"
            yield from _canonical(value[key], levels - 1)
            separator = b","
        yield b"}" if value else b"{}"
