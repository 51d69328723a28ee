"""Answers with what a model makes of work other than generating, while the client is there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.actors import Actor
from app.domain.work import Work
from app.routers.dependencies import Services
from app.routers.disconnect import while_connected
from app.routers.inference_ports import WorkDone

AT_ONCE = 32
"""Texts in one piece of work: frames stay small, and a cancel is heard between two pieces."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, parsed. `written` makes the parts of a JSON body."""

    actor: Actor
    request_id: str
    model: str
    works: Sequence[Work]
    written: Callable[[WorkDone], Awaitable[Iterable[bytes]]]


class WorkAnswer(Response):
    """Does its work while it is being sent, so that a client that leaves cancels it."""

    def __init__(self, services: Services, asked: Asked) -> None:
        super().__init__()
        self._services = services
        self._asked = asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, self._work(scope, send))

    async def _work(self, scope: Scope, send: Send) -> None:
        asked = self._asked
        done = await self._services.computing.compute(
            asked.actor, asked.request_id, asked.model, asked.works
        )
        self._services.metrics.generated(
            model=done.model_id, prompt_tokens=done.prompt_tokens, completion_tokens=0
        )
        parts = []
        for part in await asked.written(done):
            parts.append(part)
            await asyncio.sleep(0)  # others are answered while a large body is written
        await Response(b"".join(parts), media_type="application/json")(scope, _nothing, send)


def in_pieces(items: Sequence[Item]) -> Iterator[tuple[int, tuple[Item, ...]]]:
    """`AT_ONCE` items at a time, and the place of the first of them."""
    for first in range(0, len(items), AT_ONCE):
        yield first, tuple(items[first : first + AT_ONCE])


async def _nothing() -> dict[str, str]:
    return {"type": "http.disconnect"}
