"""How an execution ends: what was measured, its run and the ask's state, in one transaction."""

from dataclasses import dataclass, replace
from typing import Final

from app.authority.approvals.acts import Effect
from app.authority.approvals.parts import Parts
from app.authority.approvals.records import outcome
from app.authority.approvals.transitions import Cause, State
from app.authority.approvals.values import Ask
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM, Actor
from app.evidence.vocabulary import Kind

ACT: Final = "act"
PURGE: Final = "purge"
"""The phases of an act: the act itself, and the purge of what it put in the trash."""

_ENDED: Final = Effect(done=False, reason="It had ended before: nothing was done.")
_CAUSE: Final = {"done": Cause.DID, "partial": Cause.DID_PART, "failed": Cause.DID_NOTHING}


@dataclass(frozen=True, slots=True)
class Sealing:
    """Blocking; every method may be called from any thread."""

    parts: Parts

    def seal(self, ask: Ask, actor: Actor, effect: Effect, intent_seq: int) -> Ask:
        effect = self._in_all(ask, effect)
        cause = _CAUSE[effect.outcome]
        event = outcome(ask, actor, effect, intent_seq=intent_seq, phase=ACT)
        event = self.parts.with_run(
            event, ask, actor, State(effect.outcome), effect=effect, why=effect.reason or None
        )
        run = str(event.data["run"])
        ended_us = self.parts.clock.utc_us()
        why = effect.reason[:1000] or None
        return self.parts.asks.move(ask, cause, event, ended_us=ended_us, why=why, run=run)

    def purged(self, ask: Ask, effect: Effect, intent_seq: int) -> None:
        event = outcome(ask, SYSTEM, effect, intent_seq=intent_seq, phase=PURGE)
        event = self.parts.with_run(event, ask, SYSTEM, State(effect.outcome), effect=effect)
        self.parts.ledger.append(event)

    def nothing_done(self, ask: Ask, why: str) -> None:
        """End what was claimed and not begun, and the intent that a failed append may have left."""
        begun = [found for found in self.open_intents() if is_of(found, ask, ACT)]
        if begun:
            self.seal(ask, SYSTEM, Effect(done=False, reason=why), begun[0].seq)
        elif self.resumes(ask):
            self.parts.end(ask, Cause.DID_PART, why)
        else:
            self.parts.end(ask, Cause.DID_NOTHING, why)

    def not_known(self, ask: Ask, why: str) -> None:
        """End what was claimed in a state that was restored: it is not done again by itself."""
        begun = [found for found in self.open_intents() if is_of(found, ask, ACT)]
        if begun:
            self.seal(ask, SYSTEM, Effect(done=True, failed=(why,), reason=why), begun[0].seq)
        else:
            self.nothing_done(ask, why)

    def restored_since(self, ask: Ask) -> bool:
        """Whether the state was put back from a backup after this ask was last claimed."""
        found = self.parts.ledger.events(kind=Kind.STATE_RESTORED, limit=1, newest_first=True)
        if not found:
            return False
        later = self.parts.ledger.events(
            after=found[0].seq, kind=Kind.ASK_CLAIMED, subject=ask.subject, limit=1000
        )
        return all(event.data.get("ask") != ask.id for event in later)

    def resumes(self, ask: Ask) -> bool:
        """Whether an attempt before this one has done a part."""
        return self.parts.asks.attempts(ask.plan or "") > 1

    def _in_all(self, ask: Ask, effect: Effect) -> Effect:
        """What an attempt that did nothing is together with those before it: still a part."""
        if effect.outcome != "failed" or not self.resumes(ask):
            return effect
        return replace(effect, done=True, failed=effect.failed or (effect.reason,))

    def open_intents(self) -> list[StoredEvent]:
        """Intents of acts that no outcome closes, oldest first."""
        return [e for e in self.parts.ledger.open_intents() if e.kind == Kind.ACT_INTENT]

    def told_before(self, ask: Ask, found: StoredEvent) -> None:
        """Close an intent whose ask has ended: it was said that nothing was done, so nothing is."""
        event = outcome(ask, SYSTEM, _ENDED, intent_seq=found.seq, phase=ACT)
        event = self.parts.with_run(event, ask, SYSTEM, State.FAILED, effect=_ENDED)
        self.parts.ledger.append(event)


def is_of(found: StoredEvent, ask: Ask, phase: str) -> bool:
    return found.data.get("ask") == ask.id and found.data.get("phase", ACT) == phase
