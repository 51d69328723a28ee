"""A whole installation in which advice is accepted: all is real but workers, memory and time.

It is put together by the product's own wiring, without its HTTP surface.
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

from app.authority.advice.accepting import Accepting
from app.authority.advice.acting import UseCases
from app.authority.advice.kept import Kept
from app.authority.advice.looking import Memory
from app.authority.advice.previews import Previews
from app.authority.advice.proposing import Proposing
from app.authority.advice.store import Proposals
from app.authority.inference import Inference
from app.authority.ledger.tiles import StoredTiles
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.serving import Serving
from app.authority.limits.keeping import unlimited
from app.authority.permissions import Permission, grant
from app.configuration.current import Current
from app.domain.actors import Actor
from app.evidence.decision_proof import decision_proof
from app.settings import LedgerSettings, Settings
from app.wiring import _limits
from app.wiring.cases import cases
from app.wiring.governing import Governing, governing, policy_of
from app.wiring.guarding import Guarded, adopt_shipped, guarded
from app.wiring.opening import Authority, open_authority
from tests.fakes.advice import BOT, Snapshots, raw
from tests.fakes.clock import FixedClock
from tests.fakes.engine import FakeEngineHost
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model

MODELS = ("lab/one", "lab/two", "lab/three")
SETTINGS = Settings(
    default_context=256,
    slots=2,
    preload=(),
    worker_base_bytes=100 << 20,
    ledger=LedgerSettings(reserve_bytes=1 << 20),
)
Json = dict[str, Any]


@dataclass
class Advised:
    """Its parts. `person` decides: the account that started it."""

    home: Path
    clock: FixedClock
    authority: Authority
    host: FakeEngineHost
    memory: FixedMemory
    serving: Serving
    guards: Guarded
    governed: Governing
    cases: UseCases
    inference: Inference
    proposals: Proposals
    proposing: Proposing
    accepting: Accepting
    previews: Previews
    settings: Settings

    @property
    def person(self) -> Actor:
        return self.authority.keys.identify_strict((self.home / "operator.key").read_text().strip())

    async def kept(self, kind: str, target: str, by: Actor = BOT, **said: Any) -> Kept:
        """What was proposed, as it is kept; `said` is its change, unless it is named otherwise."""
        known = {name: said.pop(name) for name in ("predicts", "expires_in_s") if name in said}
        body = raw(kind=kind, target=target, change=said, **known)
        told = await self.proposing.propose(by, [body], snapshot=None)
        assert told["kept"] == 1, told
        return self.proposals.get(told["proposals"][0]["id"])

    async def accept(self, kept: Kept, by: Actor | None = None, **changed: Any) -> Kept:
        said = {"reason": "It looks right.", "digest": kept.digest, **changed}
        return await self.accepting.accept(by or self.person, kept, **said)

    async def load(self, model_id: str) -> None:
        await self.cases.execution.load(
            self.person, model_id, context=None, slots=None, pinned=False
        )

    def events(self, kind: str) -> list[Any]:
        return self.authority.ledger.events(kind=kind, limit=1_000)

    def run_of(self, digest: str) -> Json:
        """The bytes of a run, as they are kept."""
        content = StoredTiles(self.authority.ledger.readers).blob(digest)
        assert content is not None
        found: Json = json.loads(content)
        return found

    async def approve_and_execute(self, ask_id: str) -> None:
        """As the person who started it: alone, so that one approval suffices."""
        governed, person = self.governed, self.person
        plan = governed.parts.asks.plan_of(governed.parts.asks.get(ask_id))
        challenge = governed.governance.deciding.challenges.give(person.id, ask_id)
        secret = (self.home / "operator.key").read_text().strip()
        proof = decision_proof(
            hashlib.sha256(secret.encode()).digest(),
            decision="approve",
            plan_hash=plan.hash,
            challenge=challenge,
        )
        await governed.governance.decide(
            person,
            ask_id,
            "approve",
            plan_hash=plan.hash,
            confirmation=plan.typed,
            challenge=challenge,
            proof=proof.hex(),
        )
        await governed.governance.execute(person, ask_id)

    def change_cases(self, **others: Any) -> None:
        """Accepting calls these instead."""
        self.accepting = replace(self.accepting, cases=replace(self.cases, **others))

    def copied(self, home: Path) -> Path:
        """The files as a server that is killed now leaves them."""
        _copy(self.home, home)
        return home

    def state(self) -> Json:
        """Everything that accepting could change, to be compared."""
        residency = {held.model_id: str(held.state) for held in self.serving.residency.all()}
        ledger = self.authority.ledger
        return {
            "events": ledger.size(),
            "residency": {name: state for name, state in residency.items() if state != "absent"},
            "asks": len(self.governed.parts.asks.page(limit=200)),
            "chains": self.authority.annotations.chains(),
            "terms": dict(self.authority.annotations.terms),
            "decisions": self.guards.decisions.count(0),
            "models": self.authority.catalog.ids(),
        }

    async def close(self) -> None:
        await self.accepting.close()
        await self.serving.close()
        self.authority.usage.close()
        self.authority.refusals.close()
        self.authority.ledger.close()
        self.authority.database.dispose()


def open_advised(home: Path, *, settings: Settings = SETTINGS, total_gib: int = 64) -> Advised:
    """A new one, or again the one that was closed in `home`; three small models are in it."""
    if not home.exists():
        _copy(_begun(), home)
    return _opened(home, settings, total_gib)


def _opened(home: Path, settings: Settings, total_gib: int) -> Advised:
    clock = FixedClock()
    with patch("app.wiring.opening.SystemClock", lambda: clock):
        authority = open_authority(settings, home=home, version="0")
    clock.advance(max(0, authority.ledger.latest_us() - clock.utc_us()) / 1e6)
    host = FakeEngineHost()
    memory = FixedMemory(clock, total_bytes=total_gib * GIB, used_bytes=lambda: 0)
    hard = policy_of(settings.approvals)
    guards = guarded(authority, memory, hard, serving=lambda: serving)
    adopt_shipped(guards, authority)
    serving = Serving(
        Equipment(
            catalog=authority.catalog,
            ledger=authority.ledger,
            host=host,
            probe=memory,
            clock=clock,
            limits_now=partial(_limits, Current(settings)),
            policy=guards.policy,
            own_terms=authority.annotations.own_terms,
        )
    )
    governed = governing(settings, authority, serving, memory, guards, home=home, version="0")
    made = cases(
        Current(settings), authority, serving, governed, guards, home=home, limits=unlimited()
    )
    does = UseCases(
        execution=made.execution,
        housekeeping=made.housekeeping,
        asks=governed.governance,
        guarding=made.guarding,
        pulls=governed.pulling,
        models=authority.catalog.came,
    )
    proposals = Proposals(authority.ledger, authority.database)
    looks = Memory(authority.catalog, serving, guards.policy, governed.runs_as_asks, clock)
    return Advised(
        home=home,
        clock=clock,
        authority=authority,
        host=host,
        memory=memory,
        serving=serving,
        guards=guards,
        governed=governed,
        cases=does,
        inference=made.inference,
        proposals=proposals,
        proposing=Proposing(
            proposals, Snapshots(), authority.catalog.came, authority.refusals, clock
        ),
        accepting=Accepting(proposals, authority.ledger, clock, does),
        previews=Previews(
            looks,
            authority.annotations,
            governed.governance.asking,
            guards.changing,
            authority.ledger,
            clock,
        ),
        settings=settings,
    )


def _copy(home: Path, to: Path) -> None:
    """Files that have several names have them there too."""
    known: dict[int, str] = {}

    def copied(source: str, target: str) -> None:
        inode = Path(source).stat().st_ino
        if inode in known:
            os.link(known[inode], target)
        else:
            shutil.copy2(source, target)
            known[inode] = target

    shutil.copytree(home, to, symlinks=True, copy_function=copied)


@cache
def _begun() -> Path:
    """A home after its first start, made once per process."""
    at = tempfile.TemporaryDirectory()
    _KEEP.append(at)
    home = Path(at.name) / "home"
    home.mkdir(mode=0o700)
    made = _opened(home, SETTINGS, 64)
    may = grant(made.person, Permission.MODEL_IMPORT)
    for seed, name in enumerate(MODELS):
        made.authority.catalog.import_directory(
            may,
            tiny_model(Path(at.name) / str(seed), seed=seed),
            name,
            lambda _: None,
            lambda: False,
        )
    made.authority.ledger.settle()
    made.authority.ledger.close()
    made.authority.database.dispose()
    return home


_KEEP: list[Any] = []
