"""The act of binding tasks as they compile under another document: all of them, or none.

The intents are what they were; what is done and where it is asked stays. Rolling back is the same
act with the document of before: a definition that comes out again is bound again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from app.authority.acts import guardrails_plans as plans
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.guardrails.changing import REBIND, Binding, Changing
from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.definitions import condition_json
from app.authority.guardrails.recompiling import Recompiled, delta
from app.authority.guardrails.standing import Now
from app.authority.guardrails.values import Definition
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, PlanStale


class GuardrailsRebind:
    """params: ``{"version": number of a document, "tasks"?: [id]}``; without: those affected."""

    kind = REBIND
    permission = Permission.GUARDRAILS_CHANGE
    meaning = "Bind tasks as their intents compile under another document that was active once."
    phrase = "yes, rebind guardrails"
    asker_executes = False

    def __init__(self, changing: Changing) -> None:
        self._changing = changing

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        plans.exactly(params, {"version"}, {"tasks"})
        version = plans.number(params, "version")
        document = plans.document(self._changing, version)
        now = self._changing.standing.current()
        if version not in {row.version for row in self._changing.standing.store.activations()}:
            raise NotFeasible(
                f"Version {version} of the guardrails was never active. Activate it first: lmx "
                f"guardrails activate {version}."
            )
        found = self._changing.recompiled(
            now, version, self._tasks(now, version, params.get("tasks"))
        )
        _refuse_what_cannot_be_bound(found)
        moved = [(one, one.after) for one in found if one.after is not None and not one.stays]
        if not moved:
            raise InvalidRequest(
                f"Nothing would be bound anew: no task is another under version {version}. lmx "
                "guardrails tasks says under which document each was compiled.",
                param="params.tasks",
            )
        return Drawn(
            subject=_subject(version, len(moved)),
            verb="rebind guardrails",
            phrase=self.phrase,
            irreversible=False,
            targets=tuple(
                {"kind": "task", "id": one.task, "digest": after.binding_hash}
                for one, after in moved
            ),
            generation=now.generation,
            effects={
                "guardrails": document,
                "tasks": [_shown(one, after, now, version) for one, after in moved],
                "stay": plans.listed([one.task for one in found if one.stays]),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        return await asyncio.to_thread(self._bind, warrant)

    def _bind(self, warrant: Warrant) -> Effect:
        effects = warrant.plan["effects"]
        version = int(effects["guardrails"]["version"])
        planned = {one["task"]: one["after"]["binding_hash"] for one in effects["tasks"]}
        done = {"guardrails": version, "tasks": len(planned)}
        if not self._changing.done(warrant):
            now = self._changing.standing.checked()
            found = self._changing.recompiled(now, version, planned.keys() & now.definitions.keys())
            if {one.task: one.after and one.after.binding_hash for one in found} != planned:
                raise PlanStale("The guardrails were changed since this was asked. Ask again.")
            bindings = [Binding(one.task, one.after, version) for one in found]
            self._changing.bind(warrant, self.kind, bindings)
        return Effect(done=True, data=done, answer=done)

    def _tasks(self, now: Now, version: int, named: object) -> list[str]:
        if named is None:
            return sorted(self._changing.affected(now, version))
        if not isinstance(named, list) or not named:
            raise InvalidRequest("Tasks are a list of ids.", param="params.tasks")
        return sorted({plans.bound(now, self._changing, task).id for task in named})


def _subject(version: int, tasks: int) -> str:
    return f"version {version} ({tasks} task{'s' if tasks != 1 else ''})"


def _refuse_what_cannot_be_bound(found: Sequence[Recompiled]) -> None:
    cannot = [f"{one.task} is {one.result}: {one.why}" for one in found if one.after is None]
    if cannot:
        raise NotFeasible(
            f"{' '.join(cannot)} Name the tasks to bind without these, one by one if need be, or "
            "load a document under which they compile."
        )


def _shown(one: Recompiled, after: Definition, now: Now, version: int) -> dict[str, Any]:
    return {
        "task": one.task,
        "result": str(one.result),
        "delta": plans.plain(delta(one.before, after)),
        "before": _bound(one.before, now.compiled_under[one.task]),
        "after": _bound(after, version),
    }


def _bound(definition: Definition, guardrails: int) -> dict[str, Any]:
    """What changes of a definition: its intent, its action and its points stay what they are."""
    return {
        "version": definition.version,
        "guardrails": guardrails,
        "sentence": sentence(definition.resolution),
        "condition": plans.plain(condition_json(definition.resolution.condition)),
        "ir_hash": definition.ir_hash,
        "binding_hash": definition.binding_hash,
    }
