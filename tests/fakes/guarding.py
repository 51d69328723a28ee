"""An in-memory stand-in for the use cases of guardrails; grants are real, answers are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor

Json = dict[str, Any]

READ, CHANGE, PROPOSE = (
    Permission.GUARDRAILS_READ,
    Permission.GUARDRAILS_CHANGE,
    Permission.GUARDRAILS_PROPOSE,
)


@dataclass
class FakeGuarding:
    """`asked`: what was allowed, by name and arguments. It answers with `answers`, or with that."""

    asked: list[tuple[str, Json]] = field(default_factory=list)
    answers: Mapping[str, Json] = field(default_factory=dict)

    async def check(self, actor: Actor, text: str, form: str) -> Json:
        return self._answer(actor, READ, "check", text=text, form=form)

    async def compile(self, actor: Actor, intent: str | Mapping[str, Any], **how: Any) -> Json:
        return self._answer(actor, READ, "compile", intent=intent, **how)

    async def load(self, actor: Actor, text: str, form: str, note: str) -> Json:
        return self._answer(actor, CHANGE, "load", text=text, form=form, note=note)

    async def versions(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "versions", **how)

    async def version(self, actor: Actor, version: int) -> Json:
        return self._answer(actor, READ, "version", version=version)

    async def diff(self, actor: Actor, before: int, after: int) -> Json:
        return self._answer(actor, READ, "diff", before=before, after=after)

    async def tasks(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "tasks", **how)

    async def task(self, actor: Actor, id: str) -> Json:  # noqa: A002
        return self._answer(actor, READ, "task", id=id)

    async def add(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        intent: str | Mapping[str, Any],
        **how: Any,
    ) -> Json:
        return self._answer(actor, PROPOSE, "add", id=id, intent=intent, **how)

    async def activate(self, actor: Actor, version: int, **how: Any) -> Json:
        return self._answer(actor, CHANGE, "activate", version=version, **how)

    async def rebind(self, actor: Actor, version: int, **how: Any) -> Json:
        return self._answer(actor, CHANGE, "rebind", version=version, **how)

    async def retire(self, actor: Actor, id: str, **how: Any) -> Json:  # noqa: A002
        return self._answer(actor, CHANGE, "retire", id=id, **how)

    async def recompile(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "recompile", **how)

    async def decisions(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "decisions", **how)

    async def decision(self, actor: Actor, id: str) -> Json:  # noqa: A002
        return self._answer(actor, READ, "decision", id=id)

    async def replay(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "replay", **how)

    def _answer(self, actor: Actor, needed: Permission, name: str, **given: Any) -> Json:
        grant(actor, needed, subject=name)
        self.asked.append((name, given))
        return dict(self.answers.get(name, {"asked": name}))
