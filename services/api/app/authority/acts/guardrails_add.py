"""The act of letting an intent decide: compiled under the active document, shown, then bound.

An advisor may propose one; it becomes an ask once a person accepts it, and that person asks.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson

from app.authority.acts import guardrails_plans as plans
from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.guardrails.adding import Added, added, wanted
from app.authority.guardrails.changing import ADD, Binding, Changing
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, PlanStale


class GuardrailsAdd:
    """params: ``{"id", "intent": text or structure, "version"?: number of the definition}``."""

    kind = ADD
    permission = Permission.GUARDRAILS_PROPOSE
    meaning = "Let an intent decide from now on, as it compiles under the active guardrails."
    phrase = "yes, add guardrail NAME"
    asker_executes = False

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        new = self._added(params)
        if new.bound:
            raise InvalidRequest(
                f"{new.definition.id}@{new.definition.version} is bound already, and is exactly "
                "that.",
                param="params.id",
            )
        now, definition = new.now, new.definition
        before = now.definitions.get(definition.id)
        return Drawn(
            subject=definition.id,
            verb="add guardrail",
            phrase=self.phrase.replace("NAME", definition.id),
            irreversible=False,
            targets=({"kind": "task", "id": definition.id, "digest": definition.binding_hash},),
            generation=now.generation,
            effects={
                "binds": plans.shown(definition, now.version),
                "replaces": None
                if before is None
                else plans.shown(before, now.compiled_under[definition.id]),
                "guardrails": {"version": now.version, "hash": now.guardrails.hash},
                "asked": orjson.dumps(dict(params), option=orjson.OPT_SORT_KEYS).decode(),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        return await asyncio.to_thread(self._bind, warrant)

    def _bind(self, warrant: Warrant) -> Effect:
        binds = warrant.plan["effects"]["binds"]
        done = {"task": warrant.plan["subject"], "version": binds["version"]}
        if not self._changing.done(warrant):
            new = self._added(orjson.loads(warrant.plan["effects"]["asked"]))
            if new.definition.binding_hash != binds["binding_hash"]:
                raise PlanStale("The guardrails were changed since this was asked. Ask again.")
            binding = Binding(new.definition.id, new.definition, new.now.version)
            self._changing.bind(warrant, self.kind, [binding])
        return Effect(done=True, data=done, answer=done)

    def _added(self, params: Mapping[str, Any]) -> Added:
        plans.exactly(params, {"id", "intent"}, {"version"})
        asked = wanted(params["id"], params["intent"], params.get("version"))
        return added(self._changing, asked)
