"""What routes about guardrails are given, as types."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from app.domain.actors import Actor

Json = dict[str, Any]


class Guarding(Protocol):
    """Documents, intents, tasks and decisions. What changes what decides answers with an ask."""

    async def check(self, actor: Actor, text: str, form: str) -> Json: ...
    async def compile(
        self,
        actor: Actor,
        intent: str | Mapping[str, Any],
        *,
        version: int | None,
        id: str | None,  # noqa: A002 - it is asked for by that name
    ) -> Json: ...
    async def load(self, actor: Actor, text: str, form: str, note: str) -> Json: ...
    async def versions(self, actor: Actor, *, cursor: str | None, limit: int) -> Json: ...
    async def version(self, actor: Actor, version: int) -> Json: ...
    async def diff(self, actor: Actor, before: int, after: int) -> Json: ...
    async def tasks(
        self, actor: Actor, *, retired: bool, cursor: str | None, limit: int
    ) -> Json: ...
    async def task(self, actor: Actor, id: str) -> Json: ...  # noqa: A002
    async def add(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        intent: str | Mapping[str, Any],
        *,
        version: int | None,
        reason: str,
        request_id: str | None,
    ) -> Json: ...
    async def activate(
        self, actor: Actor, version: int, *, reason: str, request_id: str | None
    ) -> Json: ...
    async def rebind(
        self,
        actor: Actor,
        version: int,
        *,
        tasks: Sequence[str] | None,
        reason: str,
        request_id: str | None,
    ) -> Json: ...
    async def retire(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        *,
        reason: str,
        request_id: str | None,
    ) -> Json: ...
    async def recompile(
        self, actor: Actor, *, version: int | None, tasks: Sequence[str] | None, days: int
    ) -> Json: ...
    async def decisions(
        self,
        actor: Actor,
        *,
        task: str | None,
        point: str | None,
        outcome: str | None,
        cursor: str | None,
        limit: int,
    ) -> Json: ...
    async def decision(self, actor: Actor, id: str) -> Json: ...  # noqa: A002
    async def replay(
        self, actor: Actor, *, since_us: int | None, until_us: int | None, limit: int | None
    ) -> Json: ...
