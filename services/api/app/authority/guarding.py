"""Use cases of guardrails: check, compile, load, look, and ask for what changes what decides.

Each asks for a grant first and raises Refusals and nothing else on purpose. What is returned is
plain JSON; times are microseconds of UTC.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.authority.guardrails import decided, overview, showing
from app.authority.guardrails.adding import added, given, resolved, task_id, wanted
from app.authority.guardrails.archive import Archive
from app.authority.guardrails.changing import (
    ACTIVATE,
    ADD,
    REBIND,
    RETIRE,
    Changing,
    form_of,
)
from app.authority.guardrails.document.normal_form import changed_keys
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.ir import define
from app.authority.guardrails.recompiling import defined
from app.authority.guardrails.reviewing import review
from app.authority.guardrails.standing import Now, Standing
from app.authority.guardrails.watching.decision_store import DecisionStore
from app.authority.permissions import Permission, grant
from app.authority.ports import Asks, Clock
from app.domain.actors import Actor
from app.domain.refusal import attempting
from app.domain.refusals import GuardrailsInvalid, GuardrailsNotFound

Json = dict[str, Any]

DAY_US: Final = 86_400_000_000
UNNAMED: Final = "unnamed"
"""What an intent is called that is compiled without a name: its hashes are those of this name."""


@dataclass(frozen=True, slots=True)
class Guarding:
    """`asks` is `Governance`; `kept` holds what was decided."""

    changing: Changing
    kept: DecisionStore
    asks: Asks
    clock: Clock

    # --- documents --------------------------------------------------------------------------

    async def check(self, actor: Actor, text: str, form: str = "yaml") -> Json:
        """``{ok, hash, errors: [{line, column, path, message}], changed: [key]}``.

        A document that cannot be used is an answer here, not a refusal.
        """
        grant(actor, Permission.GUARDRAILS_READ)
        named = form_of(form)

        def work() -> Json:
            try:
                document = read(text, named)
            except GuardrailsInvalid as invalid:
                errors = invalid.details["errors"]
                return {"ok": False, "hash": None, "errors": errors, "changed": []}
            active = self._standing.current().guardrails
            keys = changed_keys(active.document, document.document)
            return {"ok": True, "hash": document.hash, "errors": [], "changed": sorted(keys)}

        return await asyncio.to_thread(work)

    async def load(self, actor: Actor, text: str, form: str = "yaml", note: str = "") -> Json:
        """Keep a document as the next version; it changes nothing by itself.

        ``{version, hash, changed: [key], affected: [task], loaded}``; `loaded` False: the same
        document is that version already.
        """
        may = grant(actor, Permission.GUARDRAILS_CHANGE)

        def work() -> Json:
            loaded = self.changing.load(may, text, form, note)
            now = self._standing.current()
            number = loaded.row.version
            return {
                "version": number,
                "hash": loaded.row.hash,
                "changed": sorted(self.changing.change(now.version, number).keys),
                "affected": sorted(self.changing.affected(now, number)),
                "loaded": loaded.new,
            }

        return await asyncio.to_thread(work)

    async def versions(self, actor: Actor, *, cursor: str | None = None, limit: int = 50) -> Json:
        """``{versions: [{version, hash, form, note, loaded_us, loaded_by, active, activated_us,
        tasks}], active, next}``, the newest first; `tasks`: how many are bound that were compiled
        under it. `active`: the number of the active one."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(overview.versions, self.changing, cursor=cursor, limit=limit)

    async def version(self, actor: Actor, version: int) -> Json:
        """One of `versions`, with its text as `document`. Raises GuardrailsNotFound."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(overview.version, self.changing, version)

    async def diff(self, actor: Actor, before: int, after: int) -> Json:
        """``{from, to, changes: [{key, before, after}], affected: [task]}``: of what is bound and
        was compiled under either."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(overview.diff, self.changing, before, after)

    # --- intents ----------------------------------------------------------------------------

    async def compile(
        self,
        actor: Actor,
        intent: str | Mapping[str, Any],
        *,
        version: int | None = None,
        id: str | None = None,  # noqa: A002 - it is asked for by that name
    ) -> Json:
        """What an intent means under the active document, or under `version`; nothing is kept.

        ``{intent, action, points, sentence, condition, trace, ir, ir_hash, binding_hash,
        guardrails: {version, hash}}``. Raises IntentUnclear, GuardrailViolated.
        """
        grant(actor, Permission.GUARDRAILS_READ)

        def work() -> Json:
            number = self._standing.current().version if version is None else version
            document = self._standing.documents.get(number)
            resolution = resolved(given(intent), document, self._standing.known())
            if id is None:
                definition = define(UNNAMED, 1, resolution)
            else:
                earlier = self.changing.earlier(task_id(id))
                definition = defined(id, resolution, earlier)
            under = {"version": number, "hash": document.hash}
            return showing.whole(definition) | {"guardrails": under}

        return await asyncio.to_thread(work)

    # --- tasks ------------------------------------------------------------------------------

    async def tasks(
        self,
        actor: Actor,
        *,
        retired: bool = False,
        cursor: str | None = None,
        limit: int = overview.MOST_TASKS,
    ) -> Json:
        """``{tasks: [{id, intent, action, points, sentence, version, guardrails, ir_hash,
        binding_hash, bound_us, bound_by, ask, affected, state: bound|retired}], next}``, by id."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(
            overview.tasks, self.changing, retired=retired, cursor=cursor, limit=limit
        )

    async def task(self, actor: Actor, id: str) -> Json:  # noqa: A002
        """One of `tasks`, with ``{condition, trace, ir, history: [{version, guardrails, bound_us,
        bound_by, ask}]}``. Raises GuardrailsNotFound."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(overview.task, self.changing, id)

    async def recompile(
        self,
        actor: Actor,
        *,
        version: int | None = None,
        tasks: Sequence[str] | None = None,
        days: int = 30,
    ) -> Json:
        """What binding again under a document would change; nothing is kept.

        ``{from, to, changed: [key], affected: [task], unaffected: [task], tasks: [{id, result:
        changed|same|unclear|rejected, why, before, after, delta: [{what, before, after}], impact:
        {days, evaluations, before, after, per_day: "+8.0", notes}}]}``. `version` None: the active
        one; `tasks` None: the affected ones. `impact` is there where a condition changes.
        """
        grant(actor, Permission.GUARDRAILS_READ)

        def work() -> Json:
            now = self._standing.current()
            named = None if tasks is None else {self._bound(now, task) for task in tasks}
            return review(
                self.changing,
                self.kept,
                now=now,
                version=now.version if version is None else version,
                tasks=named,
                since_us=self.clock.utc_us() - days * DAY_US,
            )

        return await asyncio.to_thread(work)

    # --- asks: each returns the ask, as `Governance.ask` does --------------------------------

    async def add(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        intent: str | Mapping[str, Any],
        *,
        version: int | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        """Ask that an intent decides. Raises GuardrailsConflict.

        Where exactly that is bound already there is no ask: ``{ask: None, task: {..}}``.
        """
        params: Json = {"id": id, "intent": intent}
        params |= {} if version is None else {"version": version}
        with attempting(ADD, params=params, reason=reason):
            grant(actor, Permission.GUARDRAILS_PROPOSE, subject=ADD)
            found = await asyncio.to_thread(self._bound_already, id, intent, version)
        if found is not None:
            return {"ask": None, "task": found}
        return await self.asks.ask(actor, ADD, params, reason, request_id)

    async def activate(
        self, actor: Actor, version: int, *, reason: str = "", request_id: str | None = None
    ) -> Json:
        return await self.asks.ask(actor, ACTIVATE, {"version": version}, reason, request_id)

    async def rebind(
        self,
        actor: Actor,
        version: int,
        *,
        tasks: Sequence[str] | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        """`tasks` None: those that the document concerns."""
        params: Json = {"version": version}
        params |= {} if tasks is None else {"tasks": list(tasks)}
        return await self.asks.ask(actor, REBIND, params, reason, request_id)

    async def retire(
        self,
        actor: Actor,
        id: str,  # noqa: A002
        *,
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        return await self.asks.ask(actor, RETIRE, {"task": id}, reason, request_id)

    # --- decisions --------------------------------------------------------------------------

    async def decisions(
        self,
        actor: Actor,
        *,
        task: str | None = None,
        point: str | None = None,
        outcome: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Json:
        """``{decisions: [{id, seq, at_us, point, subject, actor, outcome, fired: [task]}], next}``,
        the newest first. `id` is the record's digest."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(
            decided.page,
            self.kept,
            task=task,
            point=point,
            outcome=outcome,
            cursor=cursor,
            limit=limit,
        )

    async def decision(self, actor: Actor, id: str) -> Json:  # noqa: A002
        """One of `decisions`, with ``{record, sentences: [text]}``: why, the one that decided
        first. `id`: enough of its beginning suffices. Raises GuardrailsNotFound."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(decided.one, self.kept, Archive(self._standing), id)

    async def replay(
        self,
        actor: Actor,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int | None = None,
    ) -> Json:
        """Decide again from the records: ``{checked, identical, different: [{id, differences}],
        missing: [what is gone]}``."""
        grant(actor, Permission.GUARDRAILS_READ)
        return await asyncio.to_thread(
            decided.replayed,
            self.kept,
            Archive(self._standing),
            self._standing.ledger,
            since_us=since_us,
            until_us=until_us,
            limit=limit,
        )

    # --- private ----------------------------------------------------------------------------

    @property
    def _standing(self) -> Standing:
        return self.changing.standing

    def _bound(self, now: Now, task: str) -> str:
        if task not in now.definitions:
            raise GuardrailsNotFound(
                f"Nothing is bound for a task {task[:64]!r}. lmx guardrails tasks lists them.",
                param="tasks",
            )
        return task

    def _bound_already(
        self, task: str, intent: str | Mapping[str, Any], version: int | None
    ) -> Json | None:
        found = added(self.changing, wanted(task, intent, version))
        return overview.task(self.changing, task) if found.bound else None
