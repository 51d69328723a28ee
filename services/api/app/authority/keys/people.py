"""The only place that knows who people are, and the only one that forgets a name.

A person is an id. The ledger's events carry it, and beside it a salted commitment to the name; the
name and the salt are in `person_name` alone, and erasing them changes no event and breaks no proof.
"""

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine

from app.authority.keys.confirmation import confirmed
from app.authority.keys.person import (
    NewPerson,
    Person,
    alike,
    is_id,
    new_person,
    parse_person_name,
)
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ledger.writing import emptied_log
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import InvalidRequest, PersonNotFound
from app.evidence.vocabulary import Kind

ADD: Final = "yes, add this person"
WAL_TRIES: Final = 3
"""Each waits for readers as long as SQLite waits for a lock, five seconds, and writers wait too."""

_LOG: Final = logging.getLogger(__name__)

_PEOPLE: Final = """\
SELECT person.id, person.commitment, person.created_us, person_name.name,
       (SELECT group_concat(key_id, ' ') FROM key_person WHERE person = person.id) AS keys
FROM person LEFT JOIN person_name ON person_name.person = person.id
ORDER BY person.created_us, person.id"""


@dataclass(frozen=True, slots=True)
class Erased:
    """Whose name is gone; `no_trace` says that the write-ahead log does not hold it either."""

    person: Person
    no_trace: bool


class People:
    """The people of this installation. Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine, clock: Clock) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._changing = threading.Lock()

    def everybody(self, grant: Grant) -> list[Person]:
        """Return everybody there ever was, with the names that were not erased."""
        require(grant, Permission.LEDGER_READ)
        return self._all()

    def known(self) -> bool:
        """Whether there is anybody: there is nobody in a database from before there were people."""
        return bool(self._all())

    def name(self, person: NewPerson, keys: Iterable[str]) -> None:
        """Record somebody to whom keys belong that were made before there were people."""
        with self._changing:
            self._insert(person, sorted(keys), by=SYSTEM)

    def erase_name(self, grant: Grant, person_id: str, confirmation: str | None) -> Erased:
        """Delete a person's name and salt, for good, and record that this was done."""
        require(grant, Permission.PERSON_ERASE)
        with self._changing:
            person = self._erasable(person_id)
            confirmed(confirmation, f"yes, erase the name of {person.id}")
            event = LedgerEvent(
                Kind.PERSON_NAME_ERASED,
                grant.actor,
                subject=person.id,
                outcome="done",
                data={"person": person.id},
            )
            with self._ledger.recording(event) as connection:
                connection.exec_driver_sql("DELETE FROM person_name WHERE person = ?", (person.id,))
        return Erased(self._one(person.id), no_trace=self._emptied_log())

    def add(self, grant: Grant, name: str, confirmation: str | None) -> Person:
        """Record one more person; a name that is known already is refused: it may be the same."""
        require(grant, Permission.PERSON_NAME)
        name = parse_person_name(name)
        with self._changing:
            if any(alike(person.name, name) for person in self._all() if person.name):
                raise InvalidRequest(
                    "There is a person of that name. `lmx people ls` lists people; give this one "
                    "a name that tells them apart.",
                    param="name",
                )
            confirmed(confirmation, ADD)  # without the name: a refusal of it is recorded
            person = new_person(name)
            self._insert(person, [], by=grant.actor)
        return self._one(person.id)

    def named(self, person_id: str) -> Person:
        """The person of this id; PersonNotFound when there is none, or the name was erased."""
        return self._erasable(person_id)

    def _insert(self, person: NewPerson, bound: list[str], *, by: Actor) -> None:
        data = {"person": person.id, "commitment": person.commitment.hex(), "keys": bound}
        event = LedgerEvent(Kind.PERSON_NAMED, by, subject=person.id, data=data)
        with self._ledger.recording(event) as connection:
            insert(connection, person, created_us=self._clock.utc_us())
            for key_id in bound:
                bind(connection, key_id, person.id)

    def _erasable(self, person_id: str) -> Person:
        person = self._one(person_id)
        if person.name is None:
            raise PersonNotFound(f"The name of {person_id} was erased already.")
        return person

    def _one(self, person_id: str) -> Person:
        found = [person for person in self._all() if person.id == person_id]
        if not is_id(person_id) or not found:
            raise PersonNotFound("There is no such person. `lmx people ls` lists people.")
        return found[0]

    def _all(self) -> list[Person]:
        with self._engine.connect() as connection:
            rows = connection.exec_driver_sql(_PEOPLE)
            return [
                Person(
                    id=row.id,
                    commitment=row.commitment.hex(),
                    created_us=row.created_us,
                    name=row.name,
                    keys=tuple(sorted((row.keys or "").split())),
                )
                for row in rows
            ]

    def _emptied_log(self) -> bool:
        """Whether the name is out of SQLite's write-ahead log, which still held its old page."""
        for _ in range(WAL_TRIES):
            if emptied_log(self._engine):
                return True
        _LOG.error("an erased name may still be in lmx.db-wal until the server is restarted")
        return False


def insert(connection: Connection, person: NewPerson, *, created_us: int) -> None:
    """Put a person and the name into their tables, in the caller's transaction."""
    connection.exec_driver_sql(
        "INSERT INTO person (id, commitment, created_us) VALUES (?, ?, ?)",
        (person.id, person.commitment, created_us),
    )
    connection.exec_driver_sql(
        "INSERT INTO person_name (person, salt, name) VALUES (?, ?, ?)",
        (person.id, person.salt, person.name),
    )


def bind(connection: Connection, key_id: str, person_id: str) -> None:
    """Say whose key it is, in the caller's transaction; that is never changed."""
    connection.exec_driver_sql(
        "INSERT INTO key_person (key_id, person) VALUES (?, ?)", (key_id, person_id)
    )
