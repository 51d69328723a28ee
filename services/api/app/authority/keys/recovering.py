"""The only place that makes an operator's key without being asked by one: at the console, recorded.

Whoever gets here has a shell on the machine, as the account that owns the state, and no server
runs. The key is for the person whose first key it was; in a dual installation it decides nothing:
nobody becomes an approver by losing a file.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from app.authority.keys import operator_file as file
from app.authority.keys import rows
from app.authority.keys import secret as secrets
from app.authority.keys.store import OPERATOR_NAME, OPERATOR_ROLES
from app.authority.keys.values import Key
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock
from app.domain.actors import SYSTEM, Role
from app.domain.refusals import StartRefused
from app.evidence.vocabulary import Kind

DUAL_ROLES: Final = OPERATOR_ROLES - {Role.APPROVER}


@dataclass(frozen=True, slots=True)
class Recovered:
    """The new key, the keys that it replaces, and where a file that was in its place lies now."""

    key: Key
    revoked: tuple[str, ...]
    path: Path
    moved: Path | None


def recover(ledger: Ledger, engine: Engine, clock: Clock, path: Path, *, solo: bool) -> Recovered:
    """Make a new key in `path`; it and the end of those it replaces are one transaction.

    Raises StartRefused where `path` holds an operator's key that is good, or where nobody ever
    had one.
    """
    with engine.connect() as connection:
        held = [rows.held(row) for row in connection.exec_driver_sql(rows.KEYS)]
    first = first_of([one.key for one in held])
    _refuse_good(path, held)
    key_id = secrets.new_id()
    secret = secrets.new_secret(key_id)
    now_us = clock.utc_us()
    roles = OPERATOR_ROLES if solo else DUAL_ROLES
    key = Key(key_id, OPERATOR_NAME, roles, now_us, SYSTEM.id, person=first.person)
    ended = [
        replace(old, revoked_us=now_us, revoked_by=SYSTEM.id)
        for old in replaced_by([one.key for one in held], first)
    ]
    file.write_waiting(path, secret)
    # Before the record: whatever ends this, the next start finds the new key waiting, or the old
    # state. What lay there opened nothing.
    moved = file.move_aside(path)
    revoked = tuple(old.id for old in ended)
    with ledger.recording(_event(key, revoked)) as transaction:
        rows.insert(transaction, key, secrets.digest(secret))
        for old in ended:
            rows.end(transaction, old)
    file.settle(path)
    return Recovered(key, revoked, path, moved)


def first_of(keys: list[Key]) -> Key:
    """The key that the first start made. Pure; raises StartRefused."""
    made = [key for key in keys if key.created_by == SYSTEM.id and Role.OPERATOR in key.roles]
    if not made:
        raise StartRefused(
            "This state has no operator's key that could be recovered. Start the server: the first "
            "start makes one."
        )
    return min(made, key=lambda key: (key.created_us, key.id))


def replaced_by(keys: list[Key], first: Key) -> list[Key]:
    """The active keys that lay in the operator's file: the first one and its successors. Pure."""
    return [
        key
        for key in keys
        if key.active
        and key.created_by == SYSTEM.id
        and key.person == first.person
        and Role.OPERATOR in key.roles
    ]


def _refuse_good(path: Path, held: list[rows.Held]) -> None:
    secret = file.read(path)
    good = {one.digest for one in held if one.key.active and Role.OPERATOR in one.key.roles}
    if secret and secrets.digest(secret) in good:
        raise StartRefused(
            f"{path} holds an operator's key that is good: there is nothing to recover. Where "
            "somebody else may have it, make another one and revoke it: lmx keys create, "
            "lmx keys revoke."
        )


def _event(key: Key, revoked: tuple[str, ...]) -> LedgerEvent:
    data: dict[str, Any] = {
        "roles": sorted(str(role) for role in key.roles),
        "revoked": list(revoked),
    }
    if key.person is not None:
        data["person"] = key.person
    return LedgerEvent(Kind.KEY_RECOVERED, SYSTEM, subject=key.id, data=data)
