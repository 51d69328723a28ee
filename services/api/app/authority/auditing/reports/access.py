"""The only place that reads from the ledger's own events who may do what, and since when. Pure.

The key table answers requests; the ledger says how it came to be. Where they differ, one of them
was changed by other means, and that is a finding.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.authority.auditing.reports.event_rows import person_of, text_of
from app.authority.auditing.reports.shape import Column, Row, Table, number, time
from app.authority.keys import Key
from app.authority.keys.store import OPERATOR_NAME, OPERATOR_ROLES
from app.authority.ledger.stored import StoredEvent
from app.authority.permissions import OPEN_WHILE_INFERENCE_IS, ROLES, Access
from app.domain.actors import Role
from app.evidence.vocabulary import Kind

KINDS: Final = (
    Kind.GENESIS,
    Kind.KEY_CREATED,
    Kind.KEY_REVOKED,
    Kind.PERSON_NAMED,
    Kind.PERSON_NAME_ERASED,
    Kind.PROFILE_CHANGED,
)
"""Every kind of event that says something about who may act."""

COLUMNS: Final = (
    Column("key", "Key"),
    Column("name", "Name"),
    Column("roles", "Roles"),
    Column("person", "Person"),
    Column("state", "State"),
    time("since", "Since (UTC)"),
    Column("given_by", "Given by"),
    number("given_seq", "Given in event"),
    time("until", "Revoked (UTC)"),
    Column("taken_by", "Revoked by"),
    number("taken_seq", "Revoked in event"),
)
NOTES: Final = (
    "Everything here is from the ledger's events, not from the key table, and compared with it.",
    "People are named by id; `lmx people ls` has their names where they were not erased.",
)
SAME_TIME_US: Final = 300_000_000
"""The table's times and the events' are read one after the other: they may differ by so much."""


@dataclass(frozen=True, slots=True)
class Held:
    """A key as the events tell: who got which roles when and from whom, and who ended that when."""

    key: str
    name: str | None
    roles: tuple[str, ...]
    person: str | None
    since_us: int
    given_by: str
    giver: str | None
    """The person who made it; None for the first start and for bots."""
    given_seq: int
    until_us: int | None = None
    taken_by: str | None = None
    taken_seq: int | None = None

    @property
    def active(self) -> bool:
        return self.taken_seq is None

    def may_be(self, role: Role) -> bool:
        return str(role) in self.roles


@dataclass(slots=True)
class History:
    """What the events say up to the last one that was `read`."""

    profile: str | None = None
    profile_seq: int = 0
    """The event since which that is the approval profile."""
    keys: dict[str, Held] = field(default_factory=dict)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    earlier_keys: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Keys by person from before there were people: their first events name the key alone."""
    findings: list[str] = field(default_factory=list)

    def read(self, stored: StoredEvent) -> None:
        """Take in one event; they come in the order of the log."""
        if not stored.intact:
            self.findings.append(
                f"Event {stored.seq} is damaged: what it said of keys is not taken into account."
            )
            return
        reader = _READERS.get(stored.kind)
        if reader is not None:
            reader(self, stored)

    @property
    def active(self) -> list[Held]:
        return [held for held in self.keys.values() if held.active]

    def giver_of(self, held: Held) -> str | None:
        """The person who made a key, also where its event is from before there were people."""
        maker = self.keys.get(held.given_by.removeprefix("key:"))
        return held.giver or (maker.person if maker else None)


def history(events: Iterable[StoredEvent]) -> History:
    found = History()
    for stored in events:
        found.read(stored)
    return found


def access_rows(found: History, *, since_us: int | None = None) -> list[Row]:
    """A row for each key, oldest first; without those that ended before `since_us`."""
    return [
        {
            "key": held.key,
            "name": held.name,
            "roles": list(held.roles),
            "person": held.person,
            "state": "active" if held.active else "revoked",
            "since": held.since_us,
            "given_by": held.given_by,
            "given_seq": held.given_seq,
            "until": held.until_us,
            "taken_by": held.taken_by,
            "taken_seq": held.taken_seq,
        }
        for held in sorted(found.keys.values(), key=lambda one: one.given_seq)
        if held.until_us is None or since_us is None or held.until_us >= since_us
    ]


def access_tables(found: History, access: Access) -> list[Table]:
    """What each role may do, what callers without a key may, and who the people are."""
    may = {str(role): sorted(p for p, roles in ROLES.items() if role in roles) for role in Role}
    may["(no key)"] = [] if access.inference_needs_key else sorted(OPEN_WHILE_INFERENCE_IS)
    people = [
        {"person": person, **said, "keys": sorted(_keys_of(found, person))}
        for person, said in found.people.items()
    ]
    return [
        Table(
            "What a role may do in this release",
            (Column("role", "Role"), Column("may", "May")),
            [{"role": role, "may": [str(one) for one in acts]} for role, acts in may.items()],
        ),
        Table(
            "People",
            (
                Column("person", "Person"),
                time("since", "Since (UTC)"),
                number("seq", "Event"),
                time("erased", "Name erased (UTC)"),
                Column("keys", "Active keys"),
            ),
            people,
        ),
    ]


def differences(found: History, table: Sequence[Key]) -> list[str]:
    """How the key table differs from what the events say, one sentence each."""
    there = {key.id: key for key in table}
    lost = [held for held in found.keys.values() if held.key not in there]
    return [
        *found.findings,
        *(
            f"Key {held.key} was made by event {held.given_seq} and is not in the key table."
            for held in lost
        ),
        *(sentence for key in table for sentence in _compared(key, found.keys.get(key.id))),
    ]


def _compared(key: Key, held: Held | None) -> Iterator[str]:
    if held is None:
        yield f"Key {key.id} is in the key table, and no event says that it was made."
        return
    made = (held.name, held.roles, held.person, held.given_by)
    says = (key.name, tuple(sorted(map(str, key.roles))), key.person, key.created_by)
    names = ("name", "roles", "person", "maker")
    for name, event, row in zip(names, made, says, strict=True):
        if event != row:
            yield (
                f"Key {key.id}: its {name} is {_said(row)} in the key table and {_said(event)} by "
                f"event {held.given_seq}."
            )
    if held.active and not key.active:
        yield f"Key {key.id} is revoked in the key table, and no event says so."
    elif key.active and not held.active:
        yield f"Key {key.id} is active in the key table; event {held.taken_seq} revoked it."
    elif held.taken_by != key.revoked_by:
        yield (
            f"Key {key.id} was revoked by {_said(key.revoked_by)} as the key table has it and by "
            f"{_said(held.taken_by)} as event {held.taken_seq} has it."
        )
    for act, row_us, event_us in (
        ("made", key.created_us, held.since_us),
        ("revoked", key.revoked_us, held.until_us),
    ):
        if row_us is not None and event_us is not None and abs(row_us - event_us) > SAME_TIME_US:
            yield f"Key {key.id} was {act} at another time in the key table than its event says."


def _said(value: object) -> str:
    return ", ".join(value) if isinstance(value, tuple) else str(value or "nobody's")


def _keys_of(found: History, person: str) -> list[str]:
    return [held.key for held in found.active if held.person == person]


def _begun(found: History, stored: StoredEvent) -> None:
    """The first start: one key with every role, for the account that started the server."""
    _profile_changed(found, stored)
    person, key = text_of(stored.data, "person"), text_of(stored.data, "operator_key_id")
    if key is None:
        found.findings.append(f"Event {stored.seq} begins the ledger and names no key.")
        return
    if person is not None:
        _named_person(found, stored, person)
    roles = tuple(sorted(map(str, OPERATOR_ROLES)))
    _hold(found, _made(stored, key, OPERATOR_NAME, roles, person))


def _profile_changed(found: History, stored: StoredEvent) -> None:
    found.profile, found.profile_seq = text_of(stored.data, "profile"), stored.seq


def _created(found: History, stored: StoredEvent) -> None:
    roles = stored.data.get("roles")
    listed = tuple(sorted(map(str, roles))) if isinstance(roles, list) else ()
    data = stored.data
    _hold(
        found,
        _made(stored, stored.subject, text_of(data, "name"), listed, text_of(data, "person")),
    )


def _revoked(found: History, stored: StoredEvent) -> None:
    held = found.keys.get(stored.subject)
    if held is None or not held.active:
        was = "was never made" if held is None else "was revoked already"
        found.findings.append(
            f"Event {stored.seq} revokes key {stored.subject}, which {was} by the ledger."
        )
        return
    found.keys[held.key] = replace(
        held, until_us=stored.ts_utc_us, taken_by=stored.actor, taken_seq=stored.seq
    )


def _person_named(found: History, stored: StoredEvent) -> None:
    keys = stored.data.get("keys")
    bound = tuple(map(str, keys)) if isinstance(keys, list) else ()
    _named_person(found, stored, stored.subject)
    found.earlier_keys[stored.subject] = bound
    for key in bound:
        held = found.keys.get(key)
        if held is None:
            found.findings.append(f"Event {stored.seq} names whose key {key} is: never made.")
        else:
            found.keys[key] = replace(held, person=stored.subject)


def _name_erased(found: History, stored: StoredEvent) -> None:
    if (said := found.people.get(stored.subject)) is not None:
        said["erased"] = stored.ts_utc_us


def _named_person(found: History, stored: StoredEvent, person: str) -> None:
    found.people[person] = {"since": stored.ts_utc_us, "seq": stored.seq, "erased": None}


def _made(
    stored: StoredEvent, key: str, name: str | None, roles: tuple[str, ...], person: str | None
) -> Held:
    return Held(
        key=key,
        name=name,
        roles=roles,
        person=person,
        since_us=stored.ts_utc_us,
        given_by=stored.actor,
        giver=person_of(stored),
        given_seq=stored.seq,
    )


def _hold(found: History, held: Held) -> None:
    if held.key in found.keys:
        found.findings.append(f"Event {held.given_seq} makes key {held.key}, which was there.")
    found.keys[held.key] = held


_READERS: Final[Mapping[str, Any]] = {
    Kind.GENESIS: _begun,
    Kind.KEY_CREATED: _created,
    Kind.KEY_REVOKED: _revoked,
    Kind.PERSON_NAMED: _person_named,
    Kind.PERSON_NAME_ERASED: _name_erased,
    Kind.PROFILE_CHANGED: _profile_changed,
}
