"""Warrants for tests, and keys that come and go by them as if somebody had approved it."""

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from app.authority.keys import Key, Keys, NewKey
from app.authority.keys.person import PERSONAL
from app.authority.keys.values import CREATE, REVOKE, parse_roles
from app.authority.warrants import Warrant
from app.authority.warrants.issuing import issue
from app.domain.actors import Actor


def warrant(
    act: str, actor: Actor, effects: Mapping[str, Any], *, plan_hash: str | None = None
) -> Warrant:
    """A warrant for a plan with these effects; a plan of its own unless its hash is given."""
    return issue(
        act=act,
        ask="0000cafe",
        plan_hash=plan_hash or secrets.token_hex(32),
        plan={"effects": dict(effects)},
        actor=actor,
        intent_seq=1,
    )


def to_create(
    by: Actor, name: str, roles: Iterable[str], person: str | None = None, **how: Any
) -> Warrant:
    named = sorted(roles)
    personal = bool(parse_roles(named) & PERSONAL)
    owner = (person or by.person) if personal else None
    return warrant(CREATE, by, {"name": name, "roles": named, "person": owner}, **how)


def create_key(
    keys: Keys, by: Actor, name: str, roles: Iterable[str], person: str | None = None
) -> NewKey:
    return keys.create(to_create(by, name, roles, person))


def revoke_key(keys: Keys, by: Actor, key_id: str) -> Key:
    return keys.revoke(warrant(REVOKE, by, {"key": key_id}))
