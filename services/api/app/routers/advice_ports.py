"""What routes about advice are given, as types."""

from typing import Any, Protocol

from app.domain.actors import Actor

Json = dict[str, Any]


class Advising(Protocol):
    """What advice is made from, what was proposed, and what a person makes of it."""

    async def snapshot(self, actor: Actor) -> bytes:
        """``{"digest", "snapshot"}`` as JSON, written once for all who ask within a minute."""

    async def propose(self, actor: Actor, body: object, request_id: str) -> Json:
        """`body`: whatever JSON was posted, unread."""

    async def list(
        self,
        actor: Actor,
        *,
        state: str | None,
        kind: str | None,
        author: str | None,
        cursor: str | None,
        limit: int,
    ) -> Json: ...
    async def show(self, actor: Actor, id: str) -> Json: ...  # noqa: A002 - its name everywhere
    async def accept(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        *,
        reason: str,
        digest: str,
        request_id: str,
    ) -> Json: ...
    async def dismiss(self, actor: Actor, id: str, *, reason: str) -> Json: ...  # noqa: A002
    async def advisors(self, actor: Actor) -> Json: ...
    async def run(self, actor: Actor, name: str) -> Json: ...
    async def replay(self, actor: Actor, name: str, *, month: str, seed: int) -> Json: ...
    async def scorecard(self, actor: Actor) -> Json: ...
