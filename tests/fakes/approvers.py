"""An in-memory stand-in for the use cases of people, keys and the profile; grants are real."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import ApprovalRequired, ConfirmationRequired

Json = dict[str, Any]
ASK = "0badcafe"
SOLO: Json = {
    "kind": "solo",
    "groups": [],
    "version": 0,
    "needed": 1,
    "approvers": ["p-00000001"],
    "separation_of_duties": "NOT MET: one person may approve what the same person asks for",
}


@dataclass
class FakeApprovers:
    """`done`: what was done; `asked`: what became an ask."""

    done: list[tuple[Any, ...]] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def add_person(self, actor: Actor, name: str, confirmation: str | None) -> Json:
        grant(actor, Permission.PERSON_NAME)
        if confirmation != "yes, add this person":
            raise ConfirmationRequired("To go on, confirm it by typing: yes, add this person")
        self.done.append(("add_person", name))
        return {"id": "p-00000002", "name": name, "keys": []}

    async def profile(self, actor: Actor) -> Json:
        grant(actor, Permission.ASK_READ)
        return SOLO

    async def change_profile(
        self,
        actor: Actor,
        kind: str,
        groups: Sequence[Mapping[str, Any]],
        confirmation: str | None,
        request_id: str | None,
    ) -> Json:
        del request_id
        grant(actor, Permission.PROFILE_MANAGE)
        if kind == "solo":
            self._ask("profile_loosen", kind)
        if confirmation is None:
            raise ConfirmationRequired(
                "To go on, confirm it by typing: yes, require 1 other person"
            )
        self.done.append(("change_profile", kind, *groups))
        return {**SOLO, "kind": kind, "groups": list(groups), "version": 1}

    async def create_key(
        self,
        actor: Actor,
        name: str,
        roles: Sequence[str],
        person: str | None,
        request_id: str | None,
    ) -> NoReturn:
        del request_id
        grant(actor, Permission.KEYS_MANAGE, subject=name)
        self._ask("key_create", name, tuple(roles), person)

    async def revoke_key(self, actor: Actor, key_id: str, request_id: str | None) -> NoReturn:
        del request_id
        grant(actor, Permission.KEYS_MANAGE, subject=key_id)
        self._ask("key_revoke", key_id)

    def _ask(self, *asked: Any) -> NoReturn:
        self.asked.append(asked)
        raise ApprovalRequired(
            f"This needs an approval: lmx approvals approve {ASK}", details={"ask": ASK}
        )
