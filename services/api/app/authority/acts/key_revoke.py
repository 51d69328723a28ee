"""The act of ending a key for good."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.approvals.profile_store import Profiles
from app.authority.approvals.profiles import refuse_impossible
from app.authority.keys import Keys
from app.authority.keys.values import REVOKE
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, QuorumImpossible


class KeyRevoke:
    """params: ``{"key": id}``. The last operator's key stays, and so do keys that a quorum needs:
    without them nothing could be approved any more, not even a new key."""

    kind = REVOKE
    permission = Permission.KEYS_MANAGE
    meaning = "End a key for good: requests with it are refused from then on."
    phrase = "yes, revoke key NAME"
    asker_executes = False

    def __init__(self, keys: Keys, profiles: Profiles) -> None:
        self._keys = keys
        self._profiles = profiles

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        if params.keys() != {"key"} or not isinstance(params["key"], str):
            raise InvalidRequest("Say which key, by its id.", param="key")
        key = self._keys.revocable(params["key"])
        try:
            refuse_impossible(self._profiles.current(), self._keys.approvers(without=key.id))
        except QuorumImpossible as impossible:
            raise NotFeasible(
                f"Without this key nothing could be approved any more. {impossible.message}"
            ) from impossible
        return Drawn(
            subject=key.id,
            verb="revoke key",
            phrase=self.phrase.replace("NAME", key.id),
            irreversible=True,
            targets=({"kind": "key", "id": key.id, "digest": None},),
            effects={
                "key": key.id,
                "name": key.name,
                "roles": sorted(str(role) for role in key.roles),
                "person": key.person,
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        key = self._keys.known(warrant.plan["effects"]["key"])
        if key.active:
            key = await asyncio.to_thread(self._keys.revoke, warrant)
        return Effect(done=True, data={"key": key.id}, answer=key.as_dict())
