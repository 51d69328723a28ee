"""Who asks: an actor with the roles of its key."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a key may be used for; a key may carry several roles (a solo installation's does)."""

    CLIENT = "client"
    OPERATOR = "operator"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ADVISOR = "advisor"


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a bot or the system.

    `id` is stable and safe to record: ``key:<key id>``, ``anonymous`` or ``system``. `person` is
    the id of the natural person the key belongs to, None for bots, never a name.
    """

    id: str
    name: str
    roles: frozenset[Role]
    person: str | None = None


ANONYMOUS = Actor(id="anonymous", name="anonymous", roles=frozenset({Role.CLIENT}))
SYSTEM = Actor(id="system", name="system", roles=frozenset({Role.OPERATOR}))
