"""The act of making a key. Its secret is for whoever asked, and nobody else sees it."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.keys import Keys, People
from app.authority.keys.person import PERSONAL
from app.authority.keys.values import CREATE, parse_name, parse_roles
from app.authority.permissions import Permission
from app.authority.warrants import Warrant
from app.domain.actors import SYSTEM, Actor, Role
from app.domain.refusals import InvalidRequest

LOST: Final = (
    "The key was made by this plan before the server was interrupted, and its secret is lost: it "
    "is kept nowhere. Revoke the key and ask for another one."
)

NOBODY: Final = (
    "The server was interrupted before the key was made, and nobody waits for its secret any more. "
    "Ask again."
)


class KeyCreate:
    """params: ``{"name", "roles": [role], "person"?: id}``.

    A key that can operate, approve or audit belongs to a person: `person`, or whoever asks.
    """

    kind = CREATE
    permission = Permission.KEYS_MANAGE
    meaning = "Make a key: whoever holds it may do what its roles may, until it is revoked."
    phrase = "yes, create key NAME"
    asker_executes = True

    def __init__(self, keys: Keys, people: People) -> None:
        self._keys = keys
        self._people = people

    def draw(self, params: Mapping[str, Any], actor: Actor) -> Drawn:
        if not {"name", "roles"} <= params.keys() <= {"name", "roles", "person"}:
            raise InvalidRequest("A key is made of a name and roles, and a person it may be for.")
        name, roles = _name(params["name"]), _roles(params["roles"])
        person = self._person(params.get("person"), roles, actor)
        return Drawn(
            subject=name,
            verb="create key",
            phrase=self.phrase.replace("NAME", name),
            irreversible=False,
            targets=() if person is None else (self._target(person),),
            dependents={"keys_of_this_name": sorted(self._keys.alike(name))},
            effects={
                "name": name,
                "roles": sorted(str(role) for role in roles),
                "person": person,
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        if (made := self._keys.made_by(warrant.plan_hash)) is not None:
            return Effect(done=True, reason=LOST, data={"key": made.id})
        if warrant.actor.id == SYSTEM.id:
            return Effect(done=False, reason=NOBODY)
        new = await asyncio.to_thread(self._keys.create, warrant)
        answer = {**new.key.as_dict(), "secret": new.secret}
        return Effect(done=True, data={"key": new.key.id}, answer=answer)

    def _person(self, given: object, roles: frozenset[Role], actor: Actor) -> str | None:
        if not roles & PERSONAL:
            if given is not None:
                raise InvalidRequest(
                    "A key with these roles is a bot's, not a person's: leave the person out.",
                    param="person",
                )
            return None
        person = actor.person if given is None else given
        if not isinstance(person, str):
            raise InvalidRequest(
                "A key that can operate, approve or audit belongs to a person: say whose it is.",
                param="person",
            )
        return self._people.named(person).id

    def _target(self, person: str) -> dict[str, str]:
        commitment = self._people.named(person).commitment
        return {"kind": "person", "id": person, "digest": commitment}


def _name(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidRequest("A key's name is a text.", param="name")
    return parse_name(given)


def _roles(given: object) -> frozenset[Role]:
    if not isinstance(given, list | tuple) or not all(isinstance(role, str) for role in given):
        raise InvalidRequest("Roles are a list of names.", param="roles")
    return parse_roles(given)
