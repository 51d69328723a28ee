"""The only place that knows which keys there are. Hashes are kept in memory to identify fast."""

import hmac
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from app.authority.keys import operator_file as file
from app.authority.keys import people, rows
from app.authority.keys import secret as secrets
from app.authority.keys.operator_file import FileState, OperatorKey
from app.authority.keys.people import People
from app.authority.keys.person import PERSONAL, NewPerson, new_person
from app.authority.keys.values import CREATE, REVOKE, Key, NewKey, parse_name, parse_roles
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.refusals import (
    Forbidden,
    KeyInvalid,
    KeyMissing,
    KeyNotFound,
    PlanStale,
    StartRefused,
)
from app.evidence.decision_proof import decision_proof

OPERATOR_NAME: Final = "operator"
OPERATOR_ROLES: Final = frozenset({Role.OPERATOR, Role.APPROVER, Role.AUDITOR, Role.CLIENT})
"""One person, until `lmx setup` names more."""

_NOBODY: Final = bytes(32)


class Keys:
    """The keys of this installation. Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._people = People(ledger, engine, clock)
        self._changing = threading.Lock()
        with engine.connect() as connection:
            self._held = {row.id: rows.held(row) for row in connection.exec_driver_sql(rows.KEYS)}

    def identify(self, secret: str | None) -> Actor:
        """Return who presents `secret`: nobody known is anonymous, a revoked key is refused."""
        return self._known(secret) or ANONYMOUS

    def identify_strict(self, secret: str | None) -> Actor:
        """As `identify`, for surfaces that always need a key."""
        if not secret:
            raise KeyMissing("A key is needed here. Send it as 'Authorization: Bearer lmx_...'.")
        found = self._known(secret)
        if found is None:
            raise KeyInvalid("This key is not known. Use the operator's, or ask for a new one.")
        return found

    def list(self, grant: Grant) -> list[Key]:
        """Return every key there ever was, oldest first."""
        require(grant, Permission.KEYS_READ)
        return sorted((held.key for held in self._held.values()), key=_by_age)

    def approvers(self, *, without: str = "") -> frozenset[str]:
        """Ids of the persons who hold an active key that may decide, now; one key left out."""
        held = (held.key for held in self._held.values() if held.key.id != without)
        return frozenset(key.person for key in held if key.person is not None and _decides(key))

    def may_decide(self, key_id: str) -> bool:
        """Whether this very key may decide now: a word given with it does not outlive it."""
        held = self._held.get(key_id)
        return held is not None and _decides(held.key)

    def proves(
        self, actor: Actor, proof: bytes, *, decision: str, plan_hash: str, challenge: str
    ) -> bool:
        """Whether `proof` was made with the key of `actor`, which is still active."""
        held = self._held.get(actor.id.removeprefix("key:"))
        if held is None or not held.key.active:
            return False
        expected = decision_proof(
            held.digest, decision=decision, plan_hash=plan_hash, challenge=challenge
        )
        return hmac.compare_digest(expected, proof)

    def known(self, key_id: str) -> Key:
        """The key of this id, active or not; KeyNotFound."""
        held = self._held.get(key_id)
        if held is None:
            raise KeyNotFound("There is no such key. `lmx keys ls` lists the keys there are.")
        return held.key

    def answerable(self, actor: Actor) -> str | None:
        """The person behind a key: whose it is, or for a bot's who made it; None where nobody is.

        Makers are followed up to a person, so that a bot's key is nobody's way to be two.
        """
        person, key_id = actor.person, actor.id.removeprefix("key:")
        for _ in range(len(self._held)):
            if person is not None or (held := self._held.get(key_id)) is None:
                break
            person, key_id = held.key.person, held.key.created_by.removeprefix("key:")
        return person

    def alike(self, name: str) -> frozenset[str]:
        """Ids of the active keys of this name."""
        held = self._held.values()
        return frozenset(one.key.id for one in held if one.key.active and one.key.name == name)

    def made_by(self, plan_hash: str) -> Key | None:
        """The key that this plan made, None when it made none yet."""
        held = self._held.get(secrets.id_of_plan(plan_hash))
        return held.key if held else None

    def create(self, warrant: Warrant) -> NewKey:
        """Make the key that the plan describes; its secret is returned this once, kept nowhere.

        The id follows from the plan's hash, so that a plan makes one key: PlanStale for a second.
        """
        require_warrant(warrant, CREATE)
        asked = warrant.plan["effects"]
        name, roles, person = (
            parse_name(asked["name"]),
            parse_roles(asked["roles"]),
            asked["person"],
        )
        key_id = secrets.id_of_plan(warrant.plan_hash)
        with self._changing:
            if key_id in self._held:
                raise PlanStale(f"Key {key_id} is there already. Ask again for another one.")
            key = self._new(key_id, name, roles, by=warrant.actor, person=person)
            secret = secrets.new_secret(key_id)
            with self._ledger.recording(rows.created(key, warrant)) as connection:
                rows.insert(connection, key, secrets.digest(secret))
            self._hold(key, secrets.digest(secret))
        return NewKey(key, secret)

    def revoke(self, warrant: Warrant) -> Key:
        """End the key that the plan names, for good; from the next request on it is refused."""
        require_warrant(warrant, REVOKE)
        with self._changing:
            key = self.revocable(warrant.plan["effects"]["key"])
            now_us, by = self._clock.utc_us(), warrant.actor.id
            ended = replace(key, revoked_us=now_us, revoked_by=by)
            with self._ledger.recording(rows.revoked(ended, warrant)) as connection:
                rows.end(connection, ended)
            self._hold(ended, self._held[key.id].digest)
        return ended

    def revoke_again(
        self, ids: Iterable[str], event: Callable[[tuple[str, ...]], LedgerEvent]
    ) -> tuple[str, ...]:
        """End keys that were ended in the state which a restore replaced, even the last operator's.

        `event(ids that were active)` is recorded in the same transaction, also without any.
        """
        with self._changing:
            now_us = self._clock.utc_us()
            found = (held for key_id in ids if (held := self._held.get(key_id)) is not None)
            ended = [
                (replace(held.key, revoked_us=now_us, revoked_by=SYSTEM.id), held.digest)
                for held in found
                if held.key.active
            ]
            revoked = tuple(key.id for key, _ in ended)
            with self._ledger.recording(event(revoked)) as connection:
                for key, _ in ended:
                    rows.end(connection, key)
            for key, digest in ended:
                self._hold(key, digest)
        return revoked

    def revocable(self, key_id: str) -> Key:
        """The key of this id if it may be ended; KeyNotFound or Forbidden says why not."""
        key = self.known(key_id)
        if not key.active:
            raise KeyNotFound(f"Key {key_id} was revoked already.")
        operators = {held.key.id for held in self._held.values() if _operates(held.key)}
        if operators == {key_id}:
            raise Forbidden(
                "This is the last operator key: without it nobody could operate this server. "
                "Create another one first: lmx keys create NAME --role operator"
            )
        return key

    def ensure_operator_key(
        self, path: Path, *, account: str, genesis: Callable[[str, NewPerson], LedgerEvent]
    ) -> OperatorKey:
        """At every start: make the first key, or say how `path` relates to the ones there are.

        The first key, the person it belongs to (`account` by name) and the ledger's first event,
        `genesis(key id, person)`, are one transaction. A lost file is never replaced by a new key,
        and a file that is there is never overwritten.
        """
        with self._changing:
            if not self._held:
                return self._first(path, new_person(account), genesis)
            self._name_owner(account)
            if file.read(path) is None and self._operator(file.read(file.waiting_path(path))):
                file.settle(path)  # the last start ended between recording and renaming
            return self._compare(path)

    def _known(self, secret: str | None) -> Actor | None:
        key_id = secrets.id_in(secret) if secret else None
        if secret is None or key_id is None:
            return None
        held = self._held.get(key_id)
        expected = _NOBODY if held is None else held.digest
        same = hmac.compare_digest(secrets.digest(secret), expected)
        if held is None or not same:
            return None
        if not held.key.active:
            raise KeyInvalid(f"Key {key_id} was revoked. Ask an operator for a new one.")
        return held.actor

    def _name_owner(self, account: str) -> None:
        """Keys of people, from before there were people: they belong to the one who starts this."""
        if self._people.known():
            return
        person = new_person(account)
        theirs = [held for held in self._held.values() if held.key.roles & PERSONAL]
        self._people.name(person, (held.key.id for held in theirs))
        for held in theirs:
            self._hold(replace(held.key, person=person.id), held.digest)

    def _first(
        self, path: Path, person: NewPerson, genesis: Callable[[str, NewPerson], LedgerEvent]
    ) -> OperatorKey:
        if self._ledger.size() > 0:
            raise StartRefused(
                "The ledger knows this installation, but its keys are gone from lmx.db. "
                "Keep a copy of lmx.db as evidence and restore a backup."
            )
        if file.read(path) is not None:
            raise StartRefused(
                f"{path} is there, but lmx.db is new and knows no key. Restore the lmx.db that "
                f"belongs to it, or move {path.name} away to begin a new installation."
            )
        key_id = secrets.new_id()
        secret = secrets.new_secret(key_id)
        key = self._new(key_id, OPERATOR_NAME, OPERATOR_ROLES, by=SYSTEM, person=person.id)
        file.write_waiting(path, secret)
        with self._ledger.recording(genesis(key.id, person)) as connection:
            people.insert(connection, person, created_us=key.created_us)
            rows.insert(connection, key, secrets.digest(secret))
        self._hold(key, secrets.digest(secret))
        file.settle(path)
        return OperatorKey(key.id, path, FileState.CREATED, "Keep this file: it is your key.")

    def _compare(self, path: Path) -> OperatorKey:
        secret = file.read(path)
        if secret is None:
            note = "The operator key is not in its file. If you keep it elsewhere, all is well."
            return OperatorKey("", path, FileState.ABSENT, note)
        operator = self._operator(secret)
        if operator is None:
            note = "The key in this file is not an operator's here: it is unknown or was revoked."
            return OperatorKey("", path, FileState.UNKNOWN, note)
        return OperatorKey(operator.id, path, FileState.PRESENT)

    def _operator(self, secret: str | None) -> Key | None:
        """Return the active operator key whose secret this is."""
        try:
            actor = self._known(secret)
        except KeyInvalid:
            return None
        if actor is None or Role.OPERATOR not in actor.roles:
            return None
        return self._held[actor.id.removeprefix("key:")].key

    def _new(
        self, key_id: str, name: str, roles: frozenset[Role], *, by: Actor, person: str | None
    ) -> Key:
        now_us = self._clock.utc_us()
        return Key(key_id, name, roles, created_us=now_us, created_by=by.id, person=person)

    def _hold(self, key: Key, digest: bytes) -> None:
        self._held = {**self._held, key.id: rows.Held(key, key.actor, digest)}


def _operates(key: Key) -> bool:
    return key.active and Role.OPERATOR in key.roles


def _by_age(key: Key) -> tuple[int, str]:
    return key.created_us, key.id


def _decides(key: Key) -> bool:
    return key.active and key.person is not None and Role.APPROVER in key.roles
