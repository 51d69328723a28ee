"""The act of making the rule of approval looser: the rule as it is decides about it."""

import asyncio
from collections.abc import Mapping
from typing import Any

from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.approvals.profile_store import LOOSEN, Profiles
from app.authority.approvals.profiles import is_looser
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest


class ProfileLoosen:
    """params: ``{"kind": "solo" | "dual", "groups": [{"name", "persons": [id], "quorum"}]}``."""

    kind = LOOSEN
    permission = Permission.PROFILE_MANAGE
    meaning = "Make the rule of approval looser: fewer or other persons suffice from then on."
    phrase = "yes, loosen approvals"
    asker_executes = False

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        if not {"kind"} <= params.keys() <= {"kind", "groups"}:
            raise InvalidRequest("A profile has a kind, solo or dual, and groups.", param="kind")
        current = self._profiles.current()
        wanted = self._profiles.proposed(params["kind"], params.get("groups", []))
        if not is_looser(current, wanted):
            raise InvalidRequest(
                "This is tighter than the rule as it is, and needs no approval: change the profile "
                "itself, with POST /authority/approvals/profile or lmx setup."
            )
        return Drawn(
            subject="approvals",
            verb="loosen approvals",
            phrase=self.phrase,
            irreversible=False,
            targets=({"kind": "profile", "id": str(wanted.version), "digest": wanted.digest},),
            generation=current.version,
            effects={
                "from": current.as_dict(),
                "to": wanted.as_dict(),
                "profile": wanted.bytes.decode(),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        profile = await asyncio.to_thread(self._profiles.loosen, warrant)
        return Effect(
            done=True,
            data={"version": profile.version, "profile": str(profile.kind)},
            answer=profile.as_dict(),
        )
