"""Approvals on a real database: persons with keys, a harmless act, the real workflow around it."""

import asyncio
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.authority.approvals.acts import Act, Effect, NotFeasible
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deadlines import Forward
from app.authority.approvals.deciding import Deciding, Word
from app.authority.approvals.executing import Executing
from app.authority.approvals.parts import Limits, Parts
from app.authority.approvals.plans import Drawn
from app.authority.approvals.profiles import SOLO, Group, Profile, ProfileKind
from app.authority.approvals.store import Asks
from app.authority.approvals.values import Ask
from app.authority.governance import Governance
from app.authority.keys import Keys
from app.authority.keys import secret as secrets
from app.authority.keys.people import bind, insert
from app.authority.keys.person import new_person
from app.authority.ledger import Ledger
from app.authority.ledger.runs import RunMaker
from app.authority.ledger.writing import writing
from app.authority.permissions import Permission
from app.authority.policy.hard import HardPolicy
from app.authority.warrants import Warrant, require_warrant
from app.database import open_engine
from app.domain.actors import Actor
from app.domain.refusals import HubUnreachable
from app.evidence.decision_proof import decision_proof
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger
from tests.unit.keys.conftest import begin

KIND = "cache_purge"
"""The toy act goes by a kind that policy knows."""


@dataclass
class Toy:
    """Takes away files by name from a set; what it would do depends on the set."""

    state: dict[str, int] = field(default_factory=lambda: {"a": 1, "b": 2})
    stuck: set[str] = field(default_factory=set)
    infeasible: str = ""
    unreachable: bool = False
    performed: list[Warrant] = field(default_factory=list)
    gate: asyncio.Event | None = None
    fails: BaseException | None = None
    kind: str = KIND
    permission: Permission = Permission.STORE_PURGE
    meaning: str = "Takes away toys."
    phrase: str = "yes, purge NAME"
    asker_executes: bool = False

    def draw(self, params: Mapping[str, Any], actor: Actor) -> Drawn:
        if self.unreachable:
            raise HubUnreachable("The hub does not answer. Try again.")
        if self.infeasible:
            raise NotFeasible(self.infeasible)
        name = str(params.get("name", "toys"))
        files = tuple(
            {"path": path, "size": size, "sha256": "0" * 64, "fate": "remove"}
            for path, size in sorted(self.state.items())
        )
        return Drawn(
            subject=name,
            verb="purge toys",
            phrase=f"yes, purge {name}",
            irreversible=True,
            targets=({"kind": "toys", "id": name, "digest": ""},),
            files=files,
            bytes_freed=sum(self.state.values()),
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, self.kind)
        self.performed.append(warrant)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        freed, failed, gone = 0, [], 0
        for file in warrant.plan["files"]:
            if file["path"] in self.stuck:
                failed.append(f"{file['path']}: permission denied")
            elif file["path"] in self.state:
                freed += self.state.pop(file["path"])
                gone += 1
        done = not failed
        return Effect(done=done, freed_bytes=freed, files=gone, failed=tuple(failed))


@dataclass
class Office:
    """Who asks, who decides, and what the workflow needs. `open_office` makes one."""

    home: Path
    engine: Engine
    ledger: Ledger
    keys: Keys
    clock: FixedClock
    toy: Toy
    parts: Parts
    governance: Governance
    secrets: dict[str, str] = field(default_factory=dict)
    profile: Profile = SOLO
    limits: Limits = field(default_factory=Limits)

    def current(self) -> Profile:
        return self.profile

    @property
    def owner(self) -> Actor:
        """The one person of a solo installation."""
        return self.actor("owner")

    def actor(self, name: str) -> Actor:
        return self.keys.identify_strict(self.secrets[name])

    def hire(self, name: str, *roles: str, person: str | None = None) -> Actor:
        """A key of a new person (or of `person`), as if it had been approved."""
        key_id = secrets.new_id()
        secret = secrets.new_secret(key_id)
        with writing(self.engine) as connection:
            if person is None:
                somebody = new_person(name)
                insert(connection, somebody, created_us=self.clock.utc_us())
                person = somebody.id
            connection.exec_driver_sql(
                "INSERT INTO access_key (id, name, roles, secret_sha256, created_us, created_by)"
                " VALUES (?, ?, ?, ?, ?, 'test')",
                (key_id, name, ",".join(sorted(roles)), secrets.digest(secret), 1),
            )
            if person:
                bind(connection, key_id, person)
        self.secrets[name] = secret
        self.reread_keys()
        return self.actor(name)

    def revoke(self, name: str) -> None:
        """End a key, as if that had been approved."""
        with writing(self.engine) as connection:
            connection.exec_driver_sql(
                "UPDATE access_key SET revoked_us = 1, revoked_by = 'test' WHERE id = ?",
                (self.actor(name).id.removeprefix("key:"),),
            )
        self.reread_keys()

    def reread_keys(self) -> None:
        self.keys.__init__(self.ledger, self.engine, self.clock)  # type: ignore[misc]

    def goes_dual(self, quorum: int = 1) -> None:
        """Two approvers besides the owner, ann and bob; so many of all three have to agree."""
        ann, bob = self.hire("ann", "approver"), self.hire("bob", "approver", "operator")
        persons = frozenset({self.owner.person or "", ann.person or "", bob.person or ""})
        self.profile = Profile(ProfileKind.DUAL, (Group("keepers", persons, quorum),), 1)

    def teach(self, act: Act) -> None:
        """One more kind of act can be asked for."""
        known = self.parts.acts
        assert isinstance(known, dict)
        known[act.kind] = act

    # --- short ways -------------------------------------------------------------------------

    def ask(self, actor: Actor | None = None, reason: str = "", **params: Any) -> Ask:
        return self.governance.asking.ask(actor or self.owner, KIND, params, reason)

    def word(self, name: str, ask: Ask, decision: str = "approve", **changes: Any) -> Word:
        """What `name` would send, with a fresh and right proof."""
        actor = self.actor(name)
        challenge = self.governance.deciding.challenges.give(actor.id, ask.id)
        plan = self.parts.asks.plan_of(ask)
        proof = decision_proof(
            hashlib.sha256(self.secrets[name].encode()).digest(),
            decision=decision,
            plan_hash=plan.hash,
            challenge=challenge,
        )
        word = Word(
            decision=decision,
            plan_hash=plan.hash,
            challenge=challenge,
            proof=proof.hex(),
            confirmation=plan.typed if decision == "approve" else None,
            reason="" if decision == "approve" else "because",
        )
        return replace(word, **changes)

    def decide(self, name: str, ask: Ask, decision: str = "approve", **changes: Any) -> Ask:
        word = self.word(name, ask, decision, **changes)
        return self.governance.deciding.decide(self.actor(name), ask.id, word)

    def approved(self, **params: Any) -> Ask:
        return self.decide("owner", self.ask(**params))

    async def execute(self, ask: Ask, actor: Actor | None = None) -> Any:
        return await self.governance.executing.execute(actor or self.owner, ask.id)

    def state(self, ask: Ask) -> str:
        return str(self.parts.asks.get(ask.id).state)

    def kinds(self) -> list[str]:
        """The kinds of events about asks and acts, in order."""
        events = self.ledger.events(limit=1000)
        return [e.kind for e in events if e.kind.startswith(("ask_", "act_"))]

    def runs(self) -> list[str]:
        """Outcomes of the attempts that left a run, in order; each run's bytes are there."""
        found = []
        for event in self.ledger.events(limit=1000):
            digest = event.data.get("run")
            if digest is not None:
                with self.engine.connect() as connection:
                    row = connection.exec_driver_sql(
                        "SELECT bytes FROM ledger_blob WHERE digest = ?", (digest,)
                    ).one()
                assert hashlib.sha256(row[0]).hexdigest() == digest
                found.append(str(event.data.get("state") or event.outcome))
        return found

    def reopened(self) -> "Office":
        """The same home after a restart: a new ledger, new keys, the same toy."""
        self.close()
        return reopened_office(self.home, self.clock, self.toy, self.secrets, self.profile)

    def close(self) -> None:
        with suppress(Exception):
            self.ledger.close()
        self.engine.dispose()


def open_office(home: Path, *, toy: Toy | None = None) -> Office:
    home.mkdir(exist_ok=True, mode=0o700)
    fresh_database(home)
    return reopened_office(home, FixedClock(), toy or Toy(), {})


def reopened_office(
    home: Path, clock: FixedClock, toy: Toy, known: dict[str, str], profile: Profile = SOLO
) -> Office:
    """An office on a home that was begun before; `known` are the secrets of its keys."""
    engine = open_engine(home / "lmx.db")
    ledger = new_ledger(engine, clock)
    keys = Keys(ledger, engine, clock)
    begin(keys, ledger, home)
    office: Office
    acts: dict[str, Act] = {toy.kind: toy}
    parts = Parts(
        asks=Asks(ledger, engine),
        ledger=ledger,
        keys=keys,
        acts=acts,
        profiles=_Live(lambda: office.profile),
        policy=HardPolicy(),
        runs=RunMaker({"lmx": "0"}, "boot-1"),
        clock=Forward(clock, not_before_us=ledger.latest_us()),
        limits=lambda: office.limits,
    )
    deciding = Deciding(parts, Challenges(clock))
    governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
    owner = (home / "operator.key").read_text().strip()
    office = Office(
        home,
        engine,
        ledger,
        keys,
        clock,
        toy,
        parts,
        governance,
        secrets=known or {"owner": owner},
        profile=profile,
    )
    return office


@dataclass
class _Live:
    """The profile that the office has at the moment."""

    read: Any

    def current(self) -> Profile:
        profile: Profile = self.read()
        return profile
