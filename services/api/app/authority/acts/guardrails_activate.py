"""The act of compiling under another document from now on. What is bound stays bound."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.authority.acts import guardrails_plans as plans
from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.guardrails.changing import ACTIVATE, Changing
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest


class GuardrailsActivate:
    """params: ``{"version": number of a document that was loaded}``."""

    kind = ACTIVATE
    permission = Permission.GUARDRAILS_CHANGE
    meaning = "Compile intents under another guardrails document; what is bound stays bound."
    phrase = "yes, activate guardrails NAME"
    asker_executes = False

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        plans.exactly(params, {"version"})
        version = plans.number(params, "version")
        now = self._changing.standing.current()
        document = plans.document(self._changing, version)
        if version == now.version:
            raise InvalidRequest(
                f"Version {version} of the guardrails is active already. To take over what is "
                f"bound under another: lmx guardrails rebind --version {version}.",
                param="params.version",
            )
        return Drawn(
            subject=str(version),
            verb="activate guardrails",
            phrase=self.phrase.replace("NAME", str(version)),
            irreversible=False,
            targets=({"kind": "guardrails", "id": str(version), "digest": document["hash"]},),
            generation=now.generation,
            effects={
                "from": {"version": now.version, "hash": now.guardrails.hash},
                "to": document,
                "changed": plans.listed(self._changing.change(now.version, version).keys),
                "affected": plans.listed(self._changing.affected(now, version)),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        version = await asyncio.to_thread(self._changing.activate, warrant)
        return Effect(done=True, data={"version": version}, answer={"version": version})
