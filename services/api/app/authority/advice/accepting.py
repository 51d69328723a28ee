"""The only place where a proposal has consequences: a person decides, and then that person acts.

The decision is recorded first, then the ordinary use case is called as that person, then what came
of it is recorded. From the decision on it runs to its end, even when whoever asked has gone away;
what a crash leaves is settled at the next start.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from app.authority.advice import settling
from app.authority.advice.acting import (
    Person,
    UseCases,
    act,
    refuse_ended,
    refuse_nobody,
    refuse_replaced,
)
from app.authority.advice.kept import Kept, State
from app.authority.advice.recorded import acceptance, refuse_unrecorded
from app.authority.advice.store import Proposals
from app.authority.ledger.accepted import accepted
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ports import Calendar
from app.authority.underway import Underway
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import (
    ApprovalRequired,
    AuditUnavailable,
    InvalidRequest,
    Refusal,
)
from app.evidence.vocabulary import Kind as Event

log = structlog.get_logger(__name__)

CLOSE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Came:
    """What came of accepting: `done`, `asked`, `refused` or `unknown`."""

    outcome: str
    ask: str | None = None
    run: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Accepting:
    """All of it runs on one event loop; what blocks runs on threads."""

    proposals: Proposals
    ledger: Ledger
    clock: Calendar
    cases: UseCases
    _underway: Underway = field(default_factory=lambda: Underway("accepting_failed"), repr=False)

    async def accept(
        self, actor: Actor, kept: Kept, *, reason: str, digest: str, request_id: str | None = None
    ) -> Kept:
        """Record the decision, do or ask for it as this person, record what came of it.

        Raises ProposalEnded, InvalidRequest (`digest` is another proposal's), Forbidden,
        AuditUnavailable: then nothing was done. What the act refuses is raised as ever, after it
        was recorded as the outcome; a load that policy made an ask of is an outcome, `asked`.
        """
        by = Person(actor, reason, request_id)
        return await self._underway.to_its_end(self._accept(kept, by, digest))

    async def dismiss(self, actor: Actor, kept: Kept, *, reason: str) -> Kept:
        """Raises ProposalEnded, Forbidden, AuditUnavailable."""
        by = Person(actor, reason)
        refuse_ended(kept, self.clock.utc_us())
        await asyncio.to_thread(refuse_unrecorded, self.ledger, kept)
        return await asyncio.to_thread(self._decide, kept, by, State.DISMISSED)

    async def recover(self) -> None:
        """At the start: what an earlier run of the server accepted and did not see the end of.

        What cannot be settled is said in the log and keeps nobody from starting: it stays as it is.
        """
        try:
            await asyncio.to_thread(self._recover)
        except AuditUnavailable as failure:
            log.error("advice_not_settled", reason=failure.message)

    async def close(self) -> None:
        """Wait for what is under way, but not for ever: the next start settles the rest."""
        await self._underway.close(CLOSE_S)

    # --- private ----------------------------------------------------------------------------

    async def _accept(self, kept: Kept, by: Person, digest: str) -> Kept:
        refuse_ended(kept, self.clock.utc_us())
        if digest != kept.digest:
            raise InvalidRequest(
                f"Proposal {kept.id} is another one than you looked at: its digest is "
                f"{kept.digest}. Look again: lmx advice show {kept.id}",
                param="digest",
            )
        refuse_replaced(kept, self.cases.models())
        await asyncio.to_thread(refuse_unrecorded, self.ledger, kept)
        kept = await asyncio.to_thread(self._decide, kept, by, State.ACCEPTED)
        with accepted(kept.id, by.actor) as begun:
            try:
                ask = await act(self.cases, by, kept.proposal)
            except ApprovalRequired as needs:
                came = Came(outcome="asked", ask=_ask_in(needs))
            except Refusal as refusal:
                refusal.proposal = kept.id
                came = Came(
                    outcome="refused", code=refusal.code, run=refusal.run, ask=_ask_in(refusal)
                )
                await self._end_all_the_same(kept, by.actor, came)
                raise
            except BaseException:  # a defect, or the server ends: what was done is in the runs
                came = Came(outcome="unknown", run=_last(begun.runs))
                await self._end_all_the_same(kept, by.actor, came)
                raise
            else:
                came = Came(
                    outcome="done" if ask is None else "asked", ask=ask, run=_last(begun.runs)
                )
        return await self._end(kept, by.actor, came)

    def _decide(self, kept: Kept, by: Person, state: State) -> Kept:
        refuse_nobody(by.actor)
        event = LedgerEvent(
            Event.ADVICE_DECIDED,
            by.actor,
            subject=kept.proposal.target,
            outcome=str(state),
            data={
                "proposal": kept.id,
                "kind": str(kept.proposal.kind),
                "digest": kept.digest,
                "reason": by.reason,
            },
            request_id=by.request_id,
        )
        now_us = self.clock.utc_us()
        return self.proposals.decide(
            kept, state, by=by.actor.id, reason=by.reason, now_us=now_us, event=event
        )

    async def _end(self, kept: Kept, actor: Actor, came: Came) -> Kept:
        try:
            return await asyncio.to_thread(self._ended, kept, actor, came)
        except AuditUnavailable as failure:
            what = f"ask {came.ask} was made" if came.ask else "it was done"
            raise AuditUnavailable(
                f"Proposal {kept.id} was accepted and {what}, but that could not be recorded with "
                f"it; the next start does. {failure.message}"
            ) from failure

    async def _end_all_the_same(self, kept: Kept, actor: Actor, came: Came) -> None:
        """Whoever calls has something to raise already."""
        try:
            await asyncio.to_thread(self._ended, kept, actor, came)
        except AuditUnavailable:
            log.error("advice_outcome_not_recorded", proposal=kept.id, outcome=came.outcome)

    def _ended(self, kept: Kept, actor: Actor, came: Came) -> Kept:
        decision = acceptance(self.ledger, kept)
        if decision is None:
            raise AuditUnavailable(f"The ledger has no decision on proposal {kept.id}.")
        said = {"ask": came.ask, "run": came.run, "code": came.code}
        event = LedgerEvent(
            Event.ADVICE_OUTCOME,
            actor,
            subject=kept.proposal.target,
            outcome=came.outcome,
            data={
                "proposal": kept.id,
                "kind": str(kept.proposal.kind),
                "decision_seq": decision.seq,
                **{name: value for name, value in said.items() if value is not None},
            },
        )
        return self.proposals.ended(
            kept, outcome=came.outcome, event=event, ask=came.ask, run=came.run, refusal=came.code
        )

    def _recover(self) -> None:
        for kept in self.proposals.without_outcome():
            decision = acceptance(self.ledger, kept)
            if decision is None:
                log.error("advice_not_recorded", proposal=kept.id)
                continue
            found = settling.followed(self.ledger, kept, decision.seq)
            came = Came(outcome="unknown", run=found.run, ask=found.ask)
            self._ended(kept, SYSTEM, came)
            log.warning("advice_settled_after_restart", proposal=kept.id, run=found.run)


def _ask_in(refusal: Refusal) -> str | None:
    ask = refusal.details.get("ask")
    return ask if isinstance(ask, str) else None


def _last(runs: list[str]) -> str | None:
    return runs[-1] if runs else None
