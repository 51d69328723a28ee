"""Use cases of guardrails: check, compile, load, look, and ask for what changes what decides.

Each asks for a grant first and raises Refusals and nothing else on purpose. What is returned is
plain JSON; times are microseconds of UTC.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.actors import Actor

Json = dict[str, Any]


class Asks(Protocol):
    """Where what changes the guardrails is asked for."""

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> Json: ...


@dataclass(frozen=True, slots=True)
class Guarding:
    """`asks` is `Governance`."""

    asks: Asks

    # --- documents --------------------------------------------------------------------------

    async def check(self, actor: Actor, text: str, form: str = "yaml") -> Json:
        """``{ok, hash, errors: [{line, column, path, message}], changed: [key]}``.

        A document that cannot be used is an answer here, not a refusal.
        """
        raise NotImplementedError

    async def load(self, actor: Actor, text: str, form: str = "yaml", note: str = "") -> Json:
        """Keep a document as the next version; it changes nothing by itself.

        ``{version, hash, changed: [key], affected: [task], loaded}``; `loaded` False: the same
        document is that version already.
        """
        raise NotImplementedError

    async def versions(self, actor: Actor) -> Json:
        """``{versions: [{version, hash, form, note, loaded_us, loaded_by, active, activated_us,
        tasks}]}``; `tasks`: how many are bound that were compiled under it."""
        raise NotImplementedError

    async def version(self, actor: Actor, version: int) -> Json:
        """One of `versions`, with ``document: {text}``. Raises GuardrailsNotFound."""
        raise NotImplementedError

    async def diff(self, actor: Actor, before: int, after: int) -> Json:
        """``{from, to, changes: [{key, before, after}], affected: [task]}``."""
        raise NotImplementedError

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
        raise NotImplementedError

    # --- tasks ------------------------------------------------------------------------------

    async def tasks(self, actor: Actor, retired: bool = False) -> Json:
        """``{tasks: [{id, intent, action, points, sentence, version, guardrails, ir_hash,
        binding_hash, bound_us, bound_by, ask, affected, state: bound|retired}]}``."""
        raise NotImplementedError

    async def task(self, actor: Actor, id: str) -> Json:  # noqa: A002
        """One of `tasks`, with ``{condition, trace, ir, history: [{version, guardrails, bound_us,
        bound_by, ask}]}``. Raises GuardrailsNotFound."""
        raise NotImplementedError

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
        {days, evaluations, before, after, per_day: "+8.0"}}]}``. `version` None: the active one;
        `tasks` None: the affected ones.
        """
        raise NotImplementedError

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
        """Ask that an intent decides; an advisor's key may. Raises GuardrailsConflict.

        Where exactly that is bound already there is no ask: ``{ask: None, task: {..}}``.
        """
        raise NotImplementedError

    async def activate(
        self, actor: Actor, version: int, *, reason: str = "", request_id: str | None = None
    ) -> Json:
        raise NotImplementedError

    async def rebind(
        self,
        actor: Actor,
        version: int,
        *,
        tasks: Sequence[str] | None = None,
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        raise NotImplementedError

    async def retire(
        self, actor: Actor, id: str, *, reason: str = "", request_id: str | None = None  # noqa: A002
    ) -> Json:
        raise NotImplementedError

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
        raise NotImplementedError

    async def decision(self, actor: Actor, id: str) -> Json:  # noqa: A002
        """One of `decisions`, with ``{record, sentences: [text]}``: why, the one that decided
        first. `id`: enough of its beginning suffices. Raises GuardrailsNotFound."""
        raise NotImplementedError

    async def replay(
        self,
        actor: Actor,
        *,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int | None = None,
    ) -> Json:
        """Decide again from the records: ``{checked, identical, different: [{id, differences}],
        missing: [binding hash]}``."""
        raise NotImplementedError
