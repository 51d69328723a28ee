"""What tests of advice are made of: proposals as a bot writes them, and a desk that takes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from app.authority.advice.kept import Kept, State
from app.authority.advice.proposing import Proposing
from app.authority.advice.store import Proposals
from app.authority.ledger import Ledger, LedgerEvent
from app.authority.ledger.refusals import RefusalRecorder
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.evidence.vocabulary import Kind as Event
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger

BOT = Actor("key:00000001", "bot", frozenset({Role.ADVISOR}))
OTHER_BOT = Actor("key:00000002", "another", frozenset({Role.ADVISOR}))
PERSON = Actor("key:00000003", "ann", frozenset({Role.OPERATOR}), "p-00000001")
NOBODYS = Actor("key:00000004", "script", frozenset({Role.OPERATOR}))
MODELS = ("lab/one", "lab/two", "lab/three")
SNAPSHOT = "ab" * 32
FACTS: Mapping[str, Any] = {
    "version": 1,
    "taken_us": 1_800_000_000_000_000,
    "days": 30,
    "host": {"memory_total_bytes": 64 << 30, "idle_ttl_s": 3_600},
    "models": {
        model: {"pinned": False, "last_used_us": None, "requests": 0, "source": "pulled"}
        for model in MODELS
    },
    "aliases": {"default": {"models": ["lab/one", "lab/two"], "requests": 7}},
}


def raw(**changed: Any) -> dict[str, Any]:
    """A proposal as a bot writes it; a value of `...` leaves the key out."""
    said = {
        "kind": "unload",
        "target": "lab/one",
        "reason": "Nobody asked it anything for 30 days.",
        "assumes": "that it stays so",
        "confidence": 80,
        "evidence": [{"field": ["models", "lab/one", "requests"], "value": 0}],
        **changed,
    }
    return {name: value for name, value in said.items() if value is not ...}


def distinct(count: int) -> list[dict[str, Any]]:
    """As many proposals, no two about the same."""
    return [
        raw(kind="terms", target="lab/one", change={"context": 1_000 + n}) for n in range(count)
    ]


@dataclass
class Snapshots:
    """Those that were published lately, by digest."""

    known: dict[str, Mapping[str, Any]] = field(default_factory=lambda: {SNAPSHOT: FACTS})

    def facts(self, digest: str) -> Mapping[str, Any] | None:
        return self.known.get(digest)


@dataclass
class Desk:
    """Where proposals are taken: a real store on a real ledger, in a directory of its own."""

    home: Path
    clock: FixedClock
    engine: Engine
    ledger: Ledger
    refusals: RefusalRecorder
    proposals: Proposals
    proposing: Proposing

    def events(self, kind: Event) -> list[Any]:
        return [one for one in self.ledger.events(after=0, limit=1_000) if one.kind == kind]

    async def kept(self, author: Actor = BOT, **changed: Any) -> Kept:
        """A proposal that was taken."""
        told = await self.proposing.propose(author, [raw(**changed)], snapshot=None)
        assert told["kept"] == 1, told
        return self.proposals.get(told["proposals"][0]["id"])

    def decide(
        self,
        kept: Kept,
        state: State = State.DISMISSED,
        reason: str = "not now",
        by: Actor = PERSON,
    ) -> Kept:
        return self.proposals.decide(
            kept,
            state,
            by=by.id,
            reason=reason,
            now_us=self.clock.utc_us(),
            event=decided(kept, state, reason, by),
        )

    def close(self) -> None:
        self.ledger.close()
        self.engine.dispose()


def open_desk(home: Path, clock: FixedClock | None = None) -> Desk:
    """A new desk, or the one that was closed in `home`."""
    clock, path = clock or FixedClock(), home / "lmx.db"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        fresh_database(home)
    engine = open_engine(path)
    ledger = new_ledger(engine, clock)
    refusals, proposals = RefusalRecorder(ledger, clock), Proposals(ledger, engine)
    proposing = Proposing(proposals, Snapshots(), lambda: dict.fromkeys(MODELS, 0), refusals, clock)
    return Desk(home, clock, engine, ledger, refusals, proposals, proposing)


def proposed(kept: Kept, by: Actor = BOT) -> LedgerEvent:
    return LedgerEvent(
        kind=Event.ADVICE_PROPOSED,
        actor=by,
        subject=kept.proposal.target,
        outcome="done",
        data={
            "proposal": kept.id,
            "kind": str(kept.proposal.kind),
            "digest": kept.digest,
            "confidence": kept.proposal.confidence,
            "expires_us": kept.expires_us,
            "evidence": str(kept.evidence),
        },
    )


def decided(kept: Kept, state: State, reason: str, by: Actor = PERSON) -> LedgerEvent:
    return LedgerEvent(
        kind=Event.ADVICE_DECIDED,
        actor=by,
        subject=kept.proposal.target,
        outcome=str(state),
        data={
            "proposal": kept.id,
            "kind": str(kept.proposal.kind),
            "digest": kept.digest,
            "reason": reason,
        },
    )


def came(kept: Kept, outcome: str, **more: Any) -> LedgerEvent:
    return LedgerEvent(
        kind=Event.ADVICE_OUTCOME,
        actor=PERSON,
        subject=kept.proposal.target,
        outcome=outcome,
        data={
            "proposal": kept.id,
            "kind": str(kept.proposal.kind),
            "decision_seq": 1,
            **more,
        },
    )
