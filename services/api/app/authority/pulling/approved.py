"""A pull that a person approved: looked at again, and fetched only if it is still the same."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from app.authority.permissions import Permission, grant
from app.authority.policy.hard import PULL
from app.authority.pulling.downloads import Pulling
from app.authority.pulling.planned import choice_of, name_of, revision_of
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.refusals import PlanStale


class ApprovedPulls:
    """What the act of a pull needs of the use case."""

    def __init__(self, pulling: Pulling) -> None:
        self._pulling = pulling

    def document(self, actor: Actor, repo: str, revision: str, name: str) -> Mapping[str, Any]:
        """What the hub says of the commit. Blocks. Raises PolicyDenied before the hub is asked."""
        (repo, choice), revision = choice_of(repo), revision_of(revision)
        name = name_of(name, repo)
        planned, _ = self._pulling.look_if_allowed(actor, repo, revision, name, choice=choice)
        return planned.document

    async def fetch(self, warrant: Warrant) -> Mapping[str, Any]:
        """Fetch what the plan names; the model as it is then described. Raises PlanStale."""
        require_warrant(warrant, PULL)
        pulling, plan = self._pulling, warrant.plan
        # An approver who is no operator may execute what was approved: then the server fetches,
        # and the intent of the act says at whose word.
        by = warrant.actor if Role.OPERATOR in warrant.actor.roles else SYSTEM
        may = grant(by, Permission.MODEL_PULL, subject=plan["subject"])
        effects, name = plan["effects"], plan["subject"]
        planned, shape = await asyncio.to_thread(
            pulling.look,
            by,
            effects["repo"],
            effects["commit"],
            name,
            choice=effects.get("choice"),
        )
        files = [(f.path, f.size, f.sha256 or "") for f in planned.files]
        said = [(f["path"], f["size"], f["sha256"]) for f in plan["files"]]
        # A plan of before licences were read names none.
        licence = effects.get("licence", planned.document["licence"])
        if files != said or licence != planned.document["licence"]:
            raise PlanStale(f"The hub says something else of {name} now. Nothing was fetched.")
        verdict = await pulling.verdict(name, shape)
        policy = {"outcome": "approved", "ask": warrant.ask, "plan": warrant.plan_hash}
        done: Mapping[str, Any] = {}
        async with aclosing(pulling.fetch(may, planned, verdict, policy)) as steps:
            async for step in steps:
                done = step.get("done", done)
        return done
