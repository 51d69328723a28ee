"""The only place that knows how a key lies in its tables, and what its events say."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection

from app.authority.keys import people
from app.authority.keys.values import Key
from app.authority.ledger.events import LedgerEvent
from app.authority.warrants import Warrant
from app.domain.actors import Actor, Role
from app.evidence.vocabulary import Kind

KEYS: Final = """\
SELECT id, name, roles, created_us, created_by, revoked_us, revoked_by, secret_sha256, person
FROM access_key LEFT JOIN key_person ON key_person.key_id = access_key.id"""


@dataclass(frozen=True, slots=True)
class Held:
    """A key as it is compared with: its hash and the actor it stands for."""

    key: Key
    actor: Actor
    digest: bytes


def held(row: Any) -> Held:
    key = Key(
        id=row.id,
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles.split(",")),
        created_us=row.created_us,
        created_by=row.created_by,
        revoked_us=row.revoked_us,
        revoked_by=row.revoked_by,
        person=row.person,
    )
    return Held(key, key.actor, row.secret_sha256)


def insert(connection: Connection, key: Key, digest: bytes) -> None:
    connection.exec_driver_sql(
        "INSERT INTO access_key (id, name, roles, secret_sha256, created_us, created_by)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (key.id, key.name, ",".join(sorted(key.roles)), digest, key.created_us, key.created_by),
    )
    if key.person is not None:
        people.bind(connection, key.id, key.person)


def end(connection: Connection, key: Key) -> None:
    connection.exec_driver_sql(
        "UPDATE access_key SET revoked_us = ?, revoked_by = ? WHERE id = ?",
        (key.revoked_us, key.revoked_by, key.id),
    )


def created(key: Key, warrant: Warrant) -> LedgerEvent:
    data: dict[str, Any] = {"name": key.name, "roles": sorted(str(role) for role in key.roles)}
    if key.person is not None:
        data["person"] = key.person
    return _done(Kind.KEY_CREATED, key, warrant, data)


def revoked(key: Key, warrant: Warrant) -> LedgerEvent:
    return _done(Kind.KEY_REVOKED, key, warrant, {})


def _done(kind: Kind, key: Key, warrant: Warrant, data: dict[str, Any]) -> LedgerEvent:
    data |= {"ask": warrant.ask, "plan": warrant.plan_hash}
    return LedgerEvent(kind, warrant.actor, subject=key.id, outcome="done", data=data)
