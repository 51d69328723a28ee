"""Pulling a model where policy wants a person for it: the commit and its files, then the pull."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Protocol

import orjson

from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog import Catalog
from app.authority.permissions import Permission
from app.authority.policy.hard import PULL
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import InvalidRequest

_PARAMS: Final = frozenset({"repo", "revision", "name"})
_CHOICE: Final = "choice"
KEPT: Final = 100


class Pulls(Protocol):
    """What can look at a hub and fetch from it."""

    def document(self, actor: Actor, repo: str, revision: str, name: str) -> Mapping[str, Any]:
        """Hosts, what is sent, and each file of a commit. Blocks. Raises Refusals."""

    async def fetch(self, warrant: Warrant) -> Mapping[str, Any]:
        """Fetch, check and publish what the plan names: ``{digest, trust, fetched_bytes}``."""


class ModelPull:
    """params: ``{"repo": "ORG/NAME", "revision": a commit, "name": the model's id here}``, and
    ``"choice"`` where the repository holds several models in GGUF."""

    kind = PULL
    permission = Permission.MODEL_PULL
    meaning = "Fetch a model from a hub, check every byte of it, and take it into the store."
    phrase = "yes, pull NAME"
    asker_executes = False

    def __init__(self, catalog: Catalog, pulls: Pulls) -> None:
        self._catalog = catalog
        self._pulls = pulls
        self._seen: dict[tuple[str, str, str], Mapping[str, Any]] = {}

    def draw(self, params: Mapping[str, Any], actor: Actor) -> Drawn:
        if params.keys() - {_CHOICE} != _PARAMS or not all(
            isinstance(v, str) for v in params.values()
        ):
            raise InvalidRequest("A pull names a repo, a revision and a name.", param="params")
        name = params["name"]
        if name in self._catalog.ids():
            raise NotFeasible(f"{name} is in the catalog already. Pull it under another name.")
        choice = params.get(_CHOICE)
        repo = params["repo"] if choice is None else f"{params['repo']}:{choice}"
        found = self._look(repo, params["revision"], name, actor)
        files = tuple(
            {"path": f["path"], "size": f["size"], "sha256": f.get("sha256") or "", "fate": "fetch"}
            for f in found["files"]
        )
        return Drawn(
            subject=name,
            verb="pull",
            phrase=self.phrase.replace("NAME", name),
            irreversible=False,
            targets=(
                {
                    "kind": "revision",
                    "id": f"{found['repo']}@{found['commit']}",
                    "digest": _digest(found["files"]),
                },
            ),
            files=files,
            again=f"{found['endpoint']}/{found['repo']}",
            effects={
                "repo": found["repo"],
                "commit": found["commit"],
                "hosts": list(found["hosts"]),
                "sent": list(found["sent"]),
                "fetch_bytes": found["size_bytes"],
                "left_out": list(found["left_out"]),
                "trust": found["trust"],
                "licence": found["licence"],
                "quantization": found["quantization"],
                **({} if choice is None else {_CHOICE: choice}),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        """Fetch it now. A pull that the server's end cut off is not taken up again by itself."""
        require_warrant(warrant, PULL)
        name = warrant.plan["subject"]
        if warrant.actor == SYSTEM:
            if name in self._catalog.ids():
                return Effect(done=True, reason="It was in the catalog before the server ended.")
            why = "The server ended while it fetched; what was fetched is kept. Ask again."
            return Effect(done=False, reason=why)
        done = await self._pulls.fetch(warrant)
        return Effect(
            done=True,
            data={
                "digest": done["digest"],
                "trust": done["trust"],
                "fetched_bytes": done["fetched_bytes"],
            },
        )

    def _look(self, repo: str, revision: str, name: str, actor: Actor) -> Mapping[str, Any]:
        """A commit never changes: a hub that is away for a while makes no plan stale."""
        key = (repo, revision, name)
        found = self._seen.get(key)
        if found is None:
            found = self._pulls.document(actor, repo, revision, name)
            if found["commit"] != revision:
                raise InvalidRequest(
                    f"Name the commit, {found['commit']}: what is approved must not move.",
                    param="params.revision",
                )
            while len(self._seen) >= KEPT:
                del self._seen[next(iter(self._seen))]
            self._seen[key] = found
        return found


def _digest(files: list[Mapping[str, Any]]) -> str:
    """SHA-256 over what the hub says of the files, their git blob ids included."""
    rows = sorted((dict(file) for file in files), key=lambda file: str(file["path"]))
    return hashlib.sha256(orjson.dumps(rows, option=orjson.OPT_SORT_KEYS)).hexdigest()
