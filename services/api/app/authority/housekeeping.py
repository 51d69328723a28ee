"""The use cases of whoever keeps the store: look at it, ask for purges, restore, name models.

Nothing here destroys. What does is asked for, and done by whoever executes approved plans.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

from app.authority.catalog import Catalog, ImportProgress
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.annotations import Annotations
from app.authority.catalog.caches import Program
from app.authority.catalog.signatures import Signature
from app.authority.catalog.survey import Bytes, Survey, survey_of, volume_of
from app.authority.following import Followed
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant, Permission, grant
from app.authority.policy.admitting import admit
from app.authority.policy.decisions import PolicyDecisionPoint, Question
from app.authority.ports import Asks
from app.authority.reading import described, said_of
from app.domain.actors import Actor
from app.domain.models import CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import InvalidRequest, TrashNotFound
from app.domain.terms import UNCHANGED, Unchanged
from app.observability import recorded_path

ADOPT: Final = "model_adopt"
CHANGE: Final = "model_change"
RESTORE: Final = "store_restore"
PURGES: Final[Mapping[str, str]] = {
    "downloads": "cache_purge",
    "caches": "cache_purge",
    "orphans": "cache_purge",
    "trash": "trash_purge",
}
"""What may be purged, and the act that asks for it."""

HAS_BYTES: Final = frozenset({"trashed", "purging", "partial"})
TRASHED: Final = (
    *("id", "model_id", "digest", "state", "size_bytes", "freed_bytes"),
    *("trashed_us", "purge_after_us", "ask"),
)
"""What is told of an entry; times are microseconds of UTC."""


class Trashed(Protocol):
    """An entry of the trash, with the fields of TRASHED."""

    @property
    def id(self) -> str: ...
    @property
    def model_id(self) -> str: ...
    @property
    def state(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Each method asks for a grant first, and raises Refusals and nothing else on purpose."""

    catalog: Catalog
    annotations: Annotations
    entries: Callable[[], Sequence[Trashed]]
    """Every entry of the trash there ever was, the oldest first."""
    put_back: Callable[[Grant, str], CatalogModel]
    """Restores the model of an entry."""
    asks: Asks
    serving: Serving
    policy: PolicyDecisionPoint
    adopting: Adopting
    home: Path

    # --- looking ----------------------------------------------------------------------------

    async def store(self, actor: Actor) -> dict[str, Any]:
        """What takes the disk: ``{volume, total, uses, shared, models, trash, orphans, ...}``.

        `bytes` are what files take on the disk, `apparent_bytes` their lengths.
        """
        grant(actor, Permission.STORE_READ)
        found, entries, volume = await asyncio.to_thread(self._look)
        return {
            "volume": volume,
            **found.as_dict(),
            "trash": [_with_bytes(entry, found) for entry in entries],
        }

    async def trashed(self, actor: Actor) -> dict[str, Any]:
        """What can be restored, and until when."""
        grant(actor, Permission.STORE_READ)
        return {"trash": await asyncio.to_thread(self._entries)}

    def _look(self) -> tuple[Survey, list[dict[str, Any]], dict[str, int]]:
        entries = self._entries()
        found = survey_of(self.home, self.catalog.owners())
        return found, entries, volume_of(self.home / "store")

    def _entries(self) -> list[dict[str, Any]]:
        """What still takes room, the newest first."""
        held = [entry for entry in self.entries() if entry.state in HAS_BYTES]
        return [{name: getattr(entry, name) for name in TRASHED} for entry in reversed(held)]

    # --- asking, and putting back -----------------------------------------------------------

    async def delete(
        self, actor: Actor, model_id: str, *, drain: bool, reason: str, request_id: str | None
    ) -> dict[str, Any]:
        """Ask for the deletion of a model; the answer is the ask."""
        grant(actor, Permission.MODEL_DELETE, subject=model_id)
        params = {"model": model_id, "drain": True} if drain else {"model": model_id}
        return await self.asks.ask(
            actor, "model_delete", params, reason=reason, request_id=request_id
        )

    async def purge(
        self, actor: Actor, what: str, *, reason: str, request_id: str | None
    ) -> dict[str, Any]:
        """Ask for a purge: of one of PURGES, or of one entry of the trash, `trash/ID`."""
        grant(actor, Permission.STORE_PURGE, subject=what)
        kind, _, entry = what.partition("/")
        if kind not in PURGES or (entry and kind != "trash"):
            raise InvalidRequest(
                f"{what[:80]!a} cannot be purged. Name one of {', '.join(PURGES)}, or "
                "trash/ID for one entry of the trash.",
                param="what",
            )
        params = {"trash": entry or "all"} if kind == "trash" else {"what": kind}
        return await self.asks.ask(
            actor, PURGES[kind], params, reason=reason, request_id=request_id
        )

    async def restore(self, actor: Actor, which: str) -> dict[str, Any]:
        """Put a deleted model back, whole: the one in this entry, or its newest; returns it."""
        with attempting(Permission.STORE_RESTORE, trash=which):
            may = grant(actor, Permission.STORE_RESTORE, subject=which)
            entry = await asyncio.to_thread(self._entry_of, which)
            admit(self.policy, Question(RESTORE, actor, which))
            return described(await asyncio.to_thread(self.put_back, may, entry))

    def _entry_of(self, which: str) -> str:
        """An entry's id, or that of the newest of a model; a model's name has a slash."""
        if "/" not in which:
            return which
        for entry in reversed(self.entries()):
            if entry.model_id == which and entry.state == "trashed":
                return entry.id
        raise TrashNotFound(
            f"No model called {which[:200]!a} is in the trash. lmx store trash lists them.",
            param="trash",
        )

    # --- models that other programs keep ----------------------------------------------------

    async def adoptable(self, actor: Actor) -> dict[str, Any]:
        """What the usual caches of other programs hold, and why some of it cannot be adopted."""
        grant(actor, Permission.STORE_READ)
        return {"candidates": await asyncio.to_thread(self.adopting.candidates)}

    async def adopt(
        self, actor: Actor, program: str, what: str, name: str | None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"hashing": {path, done, total}}`` while it works, then ``{"done": model}``.

        Closing the iterator cancels, which leaves nothing behind.
        """
        with attempting(Permission.MODEL_ADOPT, program=program, what=recorded_path(Path(what))):
            may = grant(actor, Permission.MODEL_ADOPT, subject=name or what)
            if program not in set(Program):
                raise InvalidRequest(
                    f"Models of {program[:40]!a} cannot be adopted; those of "
                    f"{' and '.join(Program)} can.",
                    param="program",
                )

            def signed(found: Signature) -> Mapping[str, Any]:
                facts = {"signature": str(found.status)}
                return admit(self.policy, Question(ADOPT, actor, name or what, facts))

            def work(
                tell: Callable[[ImportProgress], None], stop: Callable[[], bool]
            ) -> CatalogModel:
                return self.adopting.adopt(
                    may,
                    Program(program),
                    what,
                    name=name,
                    progress=tell,
                    cancelled=stop,
                    admit=signed,
                )

            adopting = Followed(work)
            async with aclosing(adopting.steps()) as steps:
                async for step in steps:
                    yield {"hashing": asdict(step)}
            yield {"done": described(adopting.result)}

    # --- what people say about a model ------------------------------------------------------

    async def put_alias(
        self, actor: Actor, model_id: str, alias: str, fallbacks: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Let a name lead to the model, and to `fallbacks` in turn where it cannot be loaded."""
        then = {"then": list(fallbacks)} if fallbacks else {}
        with self._changing(actor, model_id, alias=alias, **then) as may:
            await asyncio.to_thread(self.annotations.put_alias, may, model_id, alias, fallbacks)
            return self._said(model_id)

    async def remove_alias(self, actor: Actor, model_id: str, alias: str) -> dict[str, Any]:
        with self._changing(actor, model_id, alias=alias) as may:
            await asyncio.to_thread(self.annotations.remove_alias, may, model_id, alias)
            return self._said(model_id)

    async def pin(self, actor: Actor, model_id: str, *, pinned: bool) -> dict[str, Any]:
        """A model in memory is kept there, or may make room again, from now on."""
        with self._changing(actor, model_id, pinned=pinned) as may:
            await asyncio.to_thread(self.annotations.pin, may, model_id, pinned=pinned)
            self.serving.keep(may, model_id, pinned=pinned)
            return self._said(model_id)

    async def note(self, actor: Actor, model_id: str, note: str) -> dict[str, Any]:
        with self._changing(actor, model_id, note=note) as may:
            await asyncio.to_thread(self.annotations.note, may, model_id, note)
            return self._said(model_id)

    async def set_terms(
        self,
        actor: Actor,
        model_id: str,
        *,
        context: int | Unchanged | None = UNCHANGED,
        slots: int | Unchanged | None = UNCHANGED,
        idle_s: int | Unchanged | None = UNCHANGED,
    ) -> dict[str, Any]:
        """Set what a load of the model gets that says nothing; None: the setting holds again.

        How long it may idle holds at once, the others from its next load on.
        """
        said = {"context": context, "slots": slots, "idle_s": idle_s}
        new = {name: value for name, value in said.items() if not isinstance(value, Unchanged)}
        with self._changing(actor, model_id, **new) as may:
            if not new:
                raise InvalidRequest("Say which term: context, slots or idle_s.", param="context")
            await asyncio.to_thread(partial(self.annotations.set_terms, may, model_id, **new))
            return self._said(model_id)

    @contextmanager
    def _changing(self, actor: Actor, model_id: str, **inputs: Any) -> Iterator[Grant]:
        with attempting(Permission.MODEL_CHANGE, **inputs):
            may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
            admit(self.policy, Question(CHANGE, actor, model_id))
            yield may

    def _said(self, model_id: str) -> dict[str, Any]:
        model = self.catalog.get(model_id)
        own = sorted(a for a, m in self.annotations.aliases.items() if m == model_id)
        said = said_of(model, self.serving, self.annotations.chains())
        return {**described(model), "aliases": own, **said}


def _with_bytes(entry: Mapping[str, Any], found: Survey) -> dict[str, Any]:
    return {**entry, **found.trash.get(str(entry["id"]), Bytes()).as_dict()}
