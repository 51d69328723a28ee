"""What happens to a post of proposals: each is read, compared, counted, and kept or refused.

Nothing follows from a proposal that is kept but that a person may look at it. One that is refused
is recorded under its author, as everything is that was refused.
"""

import asyncio
import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from app.authority.advice.evidence import compare
from app.authority.advice.kept import Damaged, Evidence, Kept
from app.authority.advice.limits import A_POST, HOUR_US, no_room, replaced, too_soon
from app.authority.advice.plain import invalid, listed, mapping
from app.authority.advice.store import Proposals
from app.authority.advice.untrusted import (
    canonical,
    digest_of,
    models_of,
    read,
    read_digest,
    same_of,
)
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.refusals import RefusalRecorder
from app.authority.permissions import Grant, Permission, grant, require
from app.authority.ports import Calendar
from app.domain.actors import Actor
from app.domain.advice.proposals import Proposal
from app.domain.refusal import attempting
from app.domain.refusals import Refusal, TooManyProposals
from app.evidence.vocabulary import Kind as Event

Json = dict[str, Any]

_S: Final = 1_000_000


class Snapshots(Protocol):
    def facts(self, digest: str) -> Mapping[str, Any] | None:
        """A snapshot that was published lately, as plain JSON without `use`; None: another one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one proposal of a post: it is kept (`new`: from now on), or refused."""

    kept: Kept | None = None
    new: bool = False
    refusal: Refusal | None = None
    subject: str = ""

    def as_plain(self) -> Json:
        if self.kept is None:
            no = self.refusal or Refusal("")
            return {"refused": {"code": no.code, "message": no.message}}
        return {
            "id": self.kept.id,
            "state": str(self.kept.state),
            "new": self.new,
            "seen": self.kept.seen,
            "expires_us": self.kept.expires_us,
        }


@dataclass(frozen=True)
class Proposing:
    """`models`: all that the catalog has, by id, and when each came, in seconds of UTC."""

    proposals: Proposals
    snapshots: Snapshots
    models: Callable[[], Mapping[str, int]]
    refusals: RefusalRecorder
    clock: Calendar
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """So that two posts at once do not both find room for the last proposal."""
    _in_line: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """So that, however many bots post, they take one of the server's threads together."""

    async def propose(
        self,
        author: Actor,
        raws: Sequence[object],
        *,
        snapshot: str | None,
        request_id: str | None = None,
    ) -> Json:
        """``{proposals: [{id, state, new, seen, expires_us} | {refused: {code, message}}], kept,
        refused}``, each refusal recorded. For those whose errors nobody records: hosted advisors.

        Raises Forbidden for whoever is no advisor; AuditUnavailable.
        """
        async with self._in_line:
            answers = await asyncio.to_thread(self._all, author, raws, snapshot)
            await asyncio.to_thread(self._record, author, answers, request_id)
        return _told(answers)

    async def posted(self, author: Actor, body: object, *, request_id: str | None) -> Json:
        """As `propose`, of a request's body ``{snapshot?, proposals}``; where nothing of it can be
        kept the first refusal is raised, and recorded by whoever answers."""
        given = mapping(body, "body", required=("proposals",), optional=("snapshot",))
        raws = given["proposals"]
        if isinstance(raws, list) and len(raws) > A_POST:
            raise TooManyProposals(
                f"{len(raws)} proposals in one post; at most {A_POST} are read. Post fewer.",
                param="proposals",
            )
        listed(raws, "proposals", 1, A_POST)
        snapshot = None if given.get("snapshot") is None else read_digest(given["snapshot"])
        async with self._in_line:
            answers = await asyncio.to_thread(self._all, author, raws, snapshot)
            refused = [one for one in answers if one.refusal is not None]
            first = refused[0].refusal if len(refused) == len(answers) else None
            unrecorded = refused if first is None else refused[1:]
            await asyncio.to_thread(self._record, author, unrecorded, request_id)
        if first is not None:
            raise first
        return _told(answers)

    # --- on a thread ------------------------------------------------------------------------

    def _all(self, author: Actor, raws: Sequence[object], snapshot: str | None) -> list[Answer]:
        may = grant(author, Permission.PROPOSE)
        facts = None if snapshot is None else self.snapshots.facts(snapshot)
        models = self.models()
        return [self._one(may, raw, snapshot, facts, models) for raw in raws]

    def _one(
        self,
        may: Grant,
        raw: object,
        snapshot: str | None,
        facts: Mapping[str, Any] | None,
        models: Mapping[str, int],
    ) -> Answer:
        subject = ""
        try:
            with attempting(Permission.PROPOSE):
                proposal = read(raw)
                subject = proposal.target
                _refuse_absent(proposal, models)
                if facts is not None:
                    compare(proposal, facts)
                evidence = Evidence.UNCHECKED if facts is None else Evidence.HOLDS
                with self._one_at_a_time:
                    return self._kept(may, proposal, snapshot, evidence, models)
        except Refusal as refusal:
            if not refusal.recorded:  # nothing of the proposal's: the ledger cannot be written
                raise
            return Answer(refusal=refusal, subject=subject)

    def _kept(
        self,
        may: Grant,
        proposal: Proposal,
        snapshot: str | None,
        evidence: Evidence,
        models: Mapping[str, int],
    ) -> Answer:
        require(may, Permission.PROPOSE)
        now_us, author = self.clock.utc_us(), may.actor.id
        self.proposals.expire_due(now_us)
        same = same_of(proposal)
        earlier = self.proposals.open_same(same)
        if isinstance(earlier, Damaged):
            raise invalid("target", f"is what proposal {earlier.id} is about, which is damaged")
        if earlier is not None and replaced(earlier, models) is not None:
            self.proposals.expire(earlier.id)
        elif earlier is not None:
            return Answer(kept=self.proposals.see(earlier, now_us))
        taken = self.proposals.open_counts(author, now_us=now_us, since_us=now_us - HOUR_US)
        no = too_soon(self.proposals.last_decided(same), now_us) or no_room(taken)
        if no is not None:
            raise no
        kept = Kept(
            id=secrets.token_hex(4),
            author=author,
            proposal=proposal,
            same=same,
            digest=digest_of(proposal),
            snapshot=snapshot,
            evidence=evidence,
            seen=1,
            created_us=now_us,
            seen_us=now_us,
            expires_us=now_us + proposal.expires_in_s * _S,
        )
        if self.proposals.add(kept, _event(may, kept)):
            return Answer(kept=kept, new=True)
        return self._kept(may, proposal, snapshot, evidence, models)  # another process was faster

    def _record(self, author: Actor, answers: Sequence[Answer], request_id: str | None) -> None:
        for one in answers:
            if one.refusal is not None:
                self.refusals.record(author, one.refusal, one.subject, request_id)


def _told(answers: Sequence[Answer]) -> Json:
    refused = sum(one.kept is None for one in answers)
    return {
        "proposals": [one.as_plain() for one in answers],
        "kept": len(answers) - refused,
        "refused": refused,
    }


def _refuse_absent(proposal: Proposal, models: Collection[str]) -> None:
    absent = next((model for model in models_of(proposal) if model not in models), None)
    if absent is not None:
        raise invalid("target", f"names {absent}, and there is no such model here")


def _event(may: Grant, kept: Kept) -> LedgerEvent:
    named = {} if kept.snapshot is None else {"snapshot": kept.snapshot}
    return LedgerEvent(
        kind=Event.ADVICE_PROPOSED,
        actor=may.actor,
        subject=kept.proposal.target,
        outcome="done",
        data={
            "proposal": kept.id,
            "kind": str(kept.proposal.kind),
            "digest": kept.digest,
            "confidence": kept.proposal.confidence,
            "expires_us": kept.expires_us,
            "evidence": str(kept.evidence),
            **named,
        },
        evidence=(canonical(kept.proposal),),
    )
