"""An in-memory stand-in for the store's keeper; grants are real."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor

Json = dict[str, Any]


@dataclass
class FakeHousekeeping:
    """Keeps what was allowed, and answers with it."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)

    async def store(self, actor: Actor) -> Json:
        grant(actor, Permission.STORE_READ)
        return {"total": {"bytes": 0}, "models": [], "trash": []}

    async def trashed(self, actor: Actor) -> Json:
        grant(actor, Permission.STORE_READ)
        return {"trash": []}

    async def delete(self, actor: Actor, model_id: str, **how: Any) -> Json:
        grant(actor, Permission.MODEL_DELETE, subject=model_id)
        return self._act("delete", model_id, how["drain"], how["reason"])

    async def purge(self, actor: Actor, what: str, **how: Any) -> Json:
        grant(actor, Permission.STORE_PURGE, subject=what)
        return self._act("purge", what, how["reason"])

    async def restore(self, actor: Actor, which: str) -> Json:
        grant(actor, Permission.STORE_RESTORE, subject=which)
        return self._act("restore", which)

    async def adoptable(self, actor: Actor) -> Json:
        grant(actor, Permission.STORE_READ)
        return {"candidates": []}

    async def adopt(
        self, actor: Actor, program: str, what: str, name: str | None
    ) -> AsyncIterator[Json]:
        grant(actor, Permission.MODEL_ADOPT, subject=name or what)
        yield {"done": self._act("adopt", program, what, name)}

    async def put_alias(
        self, actor: Actor, model_id: str, alias: str, fallbacks: Sequence[str] = ()
    ) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        return self._act("put_alias", model_id, alias, *fallbacks)

    async def set_terms(self, actor: Actor, model_id: str, **said: Any) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        return self._act("set_terms", model_id, said)

    async def remove_alias(self, actor: Actor, model_id: str, alias: str) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        return self._act("remove_alias", model_id, alias)

    async def pin(self, actor: Actor, model_id: str, *, pinned: bool) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        return self._act("pin", model_id, pinned)

    async def note(self, actor: Actor, model_id: str, note: str) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        return self._act("note", model_id, note)

    def _act(self, *act: Any) -> Json:
        self.acts.append(act)
        return {"id": act[1]}
