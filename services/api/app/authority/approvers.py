"""Use cases: who there is, who holds which key, and how many of them must agree.

Keys come and go, and the rule of approval gets looser, through asks; a request for it that comes
another way is made one and refused with its id. Naming a person gives nobody any right, and asking
for more approvals takes none away: those are done at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from app.authority.approvals.profile_store import LOOSEN, Profiles
from app.authority.approvals.profiles import Profile, ProfileKind
from app.authority.keys import Keys, People
from app.authority.keys.values import CREATE, REVOKE
from app.authority.permissions import Permission, grant
from app.authority.ports import Asks
from app.domain.actors import Actor
from app.domain.refusals import ApprovalRequired

_NOT_APART: Final = "NOT MET: one person may approve what the same person asks for"
_APART: Final = "met: who asks cannot approve it"


@dataclass(frozen=True, slots=True)
class Approvers:
    """Each method asks for a grant first."""

    people: People
    keys: Keys
    profiles: Profiles
    asks: Asks

    async def add_person(self, actor: Actor, name: str, confirmation: str | None) -> dict[str, Any]:
        """Record one more person, who holds no key yet."""
        may = grant(actor, Permission.PERSON_NAME)
        return (await asyncio.to_thread(self.people.add, may, name, confirmation)).as_dict()

    async def profile(self, actor: Actor) -> dict[str, Any]:
        """The approval profile, and who could approve now."""
        grant(actor, Permission.ASK_READ)
        return self._described(await asyncio.to_thread(self.profiles.current))

    async def change_profile(
        self,
        actor: Actor,
        kind: str,
        groups: Sequence[Mapping[str, Any]],
        confirmation: str | None,
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Ask for more approvals from now on; a looser rule becomes an ask (ApprovalRequired)."""
        may = grant(actor, Permission.PROFILE_MANAGE)
        wanted = [dict(group) for group in groups]
        if await asyncio.to_thread(self.profiles.would_loosen, kind, wanted):
            await self._ask(actor, LOOSEN, {"kind": kind, "groups": wanted}, request_id)
        saved = await asyncio.to_thread(self.profiles.tighten, may, kind, wanted, confirmation)
        return self._described(saved)

    async def create_key(
        self,
        actor: Actor,
        name: str,
        roles: Sequence[str],
        person: str | None,
        request_id: str | None = None,
    ) -> NoReturn:
        grant(actor, Permission.KEYS_MANAGE, subject=name)
        params: dict[str, Any] = {"name": name, "roles": list(roles)}
        if person is not None:
            params["person"] = person
        await self._ask(actor, CREATE, params, request_id)

    async def revoke_key(
        self, actor: Actor, key_id: str, request_id: str | None = None
    ) -> NoReturn:
        grant(actor, Permission.KEYS_MANAGE, subject=key_id)
        await self._ask(actor, REVOKE, {"key": key_id}, request_id)

    async def _ask(
        self, actor: Actor, act: str, params: Mapping[str, Any], request_id: str | None
    ) -> NoReturn:
        made = await self.asks.ask(actor, act, params, "", request_id)
        raise ApprovalRequired(
            f"This needs an approval. It is ask {made['id']} now, {made['state']}: "
            f"lmx approvals approve {made['id']}",
            details={"ask": made["id"], "act": act, "state": made["state"]},
        )

    def _described(self, profile: Profile) -> dict[str, Any]:
        solo = profile.kind is ProfileKind.SOLO
        return {
            **profile.as_dict(),
            "digest": profile.digest,
            "needed": profile.needed,
            "separation_of_duties": _NOT_APART if solo else _APART,
            "approvers": sorted(self.keys.approvers()),
        }
