"""The act of ending a task: what it was compiled to stays on record, and decides nothing more."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.authority.acts import guardrails_plans as plans
from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.guardrails.changing import RETIRE, Binding, Changing
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor


class GuardrailsRetire:
    """params: ``{"task": id}``."""

    kind = RETIRE
    permission = Permission.GUARDRAILS_CHANGE
    meaning = "End a guardrail: it decides nothing from then on, and stays on record."
    phrase = "yes, retire guardrail NAME"
    asker_executes = False

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        plans.exactly(params, {"task"})
        now = self._changing.standing.current()
        bound = plans.bound(now, self._changing, params["task"])
        return Drawn(
            subject=bound.id,
            verb="retire guardrail",
            phrase=self.phrase.replace("NAME", bound.id),
            irreversible=False,
            targets=({"kind": "task", "id": bound.id, "digest": bound.binding_hash},),
            generation=now.generation,
            effects={"retires": plans.shown(bound, now.compiled_under[bound.id])},
        )

    async def perform(self, warrant: Warrant) -> Effect:
        task = str(warrant.plan["subject"])
        binding = Binding(task, None)
        await asyncio.to_thread(self._changing.bind, warrant, self.kind, [binding])
        return Effect(done=True, data={"task": task}, answer={"task": task})
