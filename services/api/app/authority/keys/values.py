"""Keys as values, and what a name and a set of roles must be to become one."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.actors import Actor, Role
from app.domain.refusals import InvalidRequest

CREATE: Final = "key_create"
REVOKE: Final = "key_revoke"
"""The kinds of act that make and end keys."""

MAX_NAME: Final = 64
NOT_WITH_ADVISOR: Final = frozenset({Role.OPERATOR, Role.APPROVER})
"""Advice cannot act: a key that proposes is not one that operates or decides."""

HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret. `person`: the id of whom it belongs to, None for a bot's."""

    id: str
    name: str
    roles: frozenset[Role]
    created_us: int
    created_by: str
    revoked_us: int | None = None
    revoked_by: str | None = None
    person: str | None = None

    @property
    def active(self) -> bool:
        return self.revoked_us is None

    @property
    def actor(self) -> Actor:
        return Actor(id=f"key:{self.id}", name=self.name, roles=self.roles, person=self.person)

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "roles": sorted(str(role) for role in self.roles),
            "created": self.created_us // 1_000_000,
            "created_by": self.created_by,
            "person": self.person,
            "revoked": None if self.revoked_us is None else self.revoked_us // 1_000_000,
            "revoked_by": self.revoked_by,
        }


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key and its secret, this once. The secret is in no repr."""

    key: Key
    secret: str = field(repr=False)


def parse_name(name: str) -> str:
    """Return `name`, or raise InvalidRequest: it is shown to people who decide by it."""
    if not 1 <= len(name) <= MAX_NAME or name != name.strip():
        raise InvalidRequest(
            f"A key's name has 1 to {MAX_NAME} characters and no space around it.", param="name"
        )
    if any(unicodedata.category(char) in HIDDEN for char in name):
        raise InvalidRequest(
            "A key's name has printable characters only: no control, direction or invisible ones.",
            param="name",
        )
    return name


def parse_roles(roles: Iterable[str]) -> frozenset[Role]:
    """Return the roles, or raise InvalidRequest for an unknown or forbidden combination."""
    if isinstance(roles, str):
        roles = [roles]
    parsed = frozenset(_role(role) for role in roles)
    if not parsed:
        raise InvalidRequest("A key needs at least one role.", param="roles")
    if Role.ADVISOR in parsed and parsed & NOT_WITH_ADVISOR:
        raise InvalidRequest(
            "An advisor's key cannot be an operator's or approver's too: advice cannot act. "
            "Create two keys.",
            param="roles",
        )
    return parsed


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        known = ", ".join(sorted(Role))
        raise InvalidRequest(f"There is no such role. Roles are: {known}.", param="roles") from None
