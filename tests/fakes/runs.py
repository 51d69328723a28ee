"""Runs for routes: answers with what it was asked."""

from collections.abc import Mapping
from typing import Any

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import RunNotFound


class FakeRuns:
    async def list(self, actor: Actor, asked: Mapping[str, str | None], **how: Any) -> Any:
        grant(actor, Permission.RUNS_READ)
        given = {name: value for name, value in asked.items() if value is not None}
        return {"runs": [{"asked": given, **how}], "next": None}

    async def show(self, actor: Actor, name: str) -> Any:
        grant(actor, Permission.RUNS_READ)
        if name == "999":
            raise RunNotFound("There is no run 999.")
        return {"digest": name}

    async def diff(self, actor: Actor, a: str, b: str) -> Any:
        grant(actor, Permission.RUNS_READ)
        return {"a": a, "b": b, "changes": [], "more": 0}
