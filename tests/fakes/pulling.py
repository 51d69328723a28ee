"""A full stand-in for downloads: plans anything, pulls what it planned, confirms with a phrase."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from app.authority.keys.confirmation import confirmed
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor

Json = dict[str, Any]
PLAN = "ab" * 32
COMMIT = "c0ffee" + "0" * 34
ENDPOINT = "https://hub.example"


@dataclass
class FakePulling:
    """`fetched`: how much is here of what is pulled now; `held`: what is in the catalog."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)
    fetched: dict[str, int] = field(default_factory=dict)
    held: set[str] = field(default_factory=set)

    async def fetched_bytes(self, actor: Actor, name: str) -> int | None:
        grant(actor, Permission.MODEL_PULL, subject=name)
        return self.fetched.get(name)

    async def plan(self, actor: Actor, repo: str, revision: str | None, name: str | None) -> Json:
        grant(actor, Permission.MODEL_PULL, subject=repo)
        self.acts.append(("plan", repo, revision, name))
        plain, colon, choice = repo.partition(":")
        return {
            "plan": PLAN,
            "repo": plain,
            "commit": COMMIT,
            "name": name or (f"{plain}-{choice}" if colon else plain),
            **({"choice": choice} if colon else {}),
            "endpoint": ENDPOINT,
            "here_already": repo in self.held,
            "files": [],
        }

    def subject(self, actor: Actor, plan: str) -> str:
        return "lab/new" if plan == PLAN else f"pull {plan[:12]}"

    async def pull(
        self, actor: Actor, plan: str, request_id: str | None = None
    ) -> AsyncIterator[Json]:
        grant(actor, Permission.MODEL_PULL)
        self.acts.append(("pull", plan, bool(request_id)))
        yield {"fetching": {"path": "model.safetensors", "done": 1, "total": 2}}
        yield {"done": {"id": "lab/new", "fetched_bytes": 2}}

    async def confirm(self, actor: Actor, model_id: str, confirmation: str | None) -> Json:
        grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        confirmed(confirmation, f"yes, confirm {model_id} 0badca")
        self.acts.append(("confirm", model_id))
        return {"id": model_id, "trust": "verified"}


@dataclass
class FakeRepairs:
    """A full stand-in for repairs: one file of every model is damaged."""

    acts: list[tuple[Any, ...]] = field(default_factory=list)

    async def plan(self, actor: Actor, model_id: str) -> Json:
        grant(actor, Permission.MODEL_REPAIR, subject=model_id)
        self.acts.append(("plan", model_id))
        return {"plan": PLAN, "name": model_id, "damaged": ["model.safetensors"], "files": []}

    async def repair(
        self, actor: Actor, model_id: str, plan: str, request_id: str | None = None
    ) -> AsyncIterator[Json]:
        grant(actor, Permission.MODEL_REPAIR, subject=model_id)
        self.acts.append(("repair", model_id, plan, bool(request_id)))
        yield {"fetching": {"path": "model.safetensors", "done": 2, "total": 2}}
        yield {"done": {"id": model_id, "fetched_bytes": 2}}
