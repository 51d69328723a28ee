"""The real acts on keys and the profile, asked for and approved by real persons with real keys."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.authority.acts.key_create import KeyCreate
from app.authority.acts.key_revoke import KeyRevoke
from app.authority.acts.profile_loosen import ProfileLoosen
from app.authority.approvals.acts import Act
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executed, Executing
from app.authority.approvals.profile_store import Profiles
from app.authority.approvals.profiles import Profile
from app.authority.approvals.values import Ask
from app.authority.approvers import Approvers
from app.authority.governance import Governance
from app.authority.keys import Keys, People
from app.authority.keys.people import ADD
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from tests.fakes.asks import Office, open_office


@dataclass
class Governed:
    """An office whose acts are the real ones, and whose profile is the stored one."""

    office: Office
    people: People
    profiles: Profiles
    approvers: Approvers
    acts: Mapping[str, Act]

    @property
    def keys(self) -> Keys:
        return self.office.keys

    @property
    def owner(self) -> Actor:
        return self.office.owner

    def ask(self, act: str, by: Actor | None = None, /, **params: Any) -> Ask:
        return self.office.governance.asking.ask(by or self.owner, act, params, "")

    async def done(
        self, act: str, /, *approvers: str, by: Actor | None = None, **params: Any
    ) -> Executed:
        """Ask, approve by the holders of these keys (the owner's without any), execute."""
        ask = self.ask(act, by, **params)
        for name in approvers or ("owner",):
            self.office.decide(name, ask)
        executed: Executed = await self.office.execute(ask, by or self.owner)
        return executed

    async def hire(self, name: str, *roles: str) -> Actor:
        """Name a person and give a key, each as the product does; while one person suffices."""
        may = grant(self.owner, Permission.PERSON_NAME)
        person = self.people.add(may, name, ADD)
        made = await self.done("key_create", name=name, roles=list(roles), person=person.id)
        self.office.secrets[name] = made.effect.answer["secret"]
        return self.office.actor(name)

    def tighten(self, quorum: int, *names: str) -> Profile:
        """Require the approval of `quorum` of the holders of these keys."""
        persons = [str(self.office.actor(name).person) for name in names]
        several = "person" if quorum == 1 else "persons"
        return self.profiles.tighten(
            grant(self.owner, Permission.PROFILE_MANAGE),
            "dual",
            [{"name": "keepers", "persons": persons, "quorum": quorum}],
            f"yes, require {quorum} other {several}",
        )


@contextmanager
def governed(home: Path) -> Iterator[Governed]:
    office = open_office(home)
    people = People(office.ledger, office.engine, office.clock)
    profiles = Profiles(office.ledger, office.engine, office.clock, office.keys.approvers)
    acts: dict[str, Act] = {
        act.kind: act
        for act in (
            KeyCreate(office.keys, people),
            KeyRevoke(office.keys, profiles),
            ProfileLoosen(profiles),
        )
    }
    parts = replace(office.parts, acts=acts, profiles=profiles)
    deciding = Deciding(parts, Challenges(office.clock))
    office.parts = parts
    office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
    approvers = Approvers(people, office.keys, profiles, office.governance)
    try:
        yield Governed(office, people, profiles, approvers, acts)
    finally:
        office.close()
