"""Deciding: one person's word on one plan, with a fresh proof of the key, and what follows."""

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from app.authority.approvals.challenges import Challenges
from app.authority.approvals.parts import Parts
from app.authority.approvals.plans import TAIL, Plan
from app.authority.approvals.profiles import Given, Standing, refuse_decider, standing
from app.authority.approvals.records import decided
from app.authority.approvals.transitions import Cause, State
from app.authority.approvals.untrusted import is_blank
from app.authority.approvals.values import Ask, Decided
from app.authority.keys.confirmation import confirmed
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Outcome, Question
from app.authority.policy.hard import DECIDE
from app.domain.actors import Actor
from app.domain.refusal import attempting
from app.domain.refusals import (
    AskExpired,
    AskNotOpen,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    PlanMismatch,
    PlanStale,
    PolicyDenied,
    ProofRequired,
    Refusal,
)

APPROVE: Final = "approve"
REJECT: Final = "reject"
VETO: Final = "veto"
DECISIONS: Final = (APPROVE, REJECT, VETO)
MAX_MEANING: Final = 500
_WAITS_IN: Final = {APPROVE: State.PENDING, REJECT: State.PENDING, VETO: State.APPROVED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """What a person sends: the decision, on which plan, and the proof that the key is at hand."""

    decision: str
    plan_hash: str
    challenge: str
    proof: str
    confirmation: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Deciding:
    """Blocking; every method may be called from any thread."""

    parts: Parts
    challenges: Challenges
    _one: threading.Lock = field(default_factory=threading.Lock)
    """Two approvals at once must see each other, or neither would be the last one needed."""

    def decide(self, actor: Actor, ask_id: str, word: Word) -> Ask:
        """Take a decision. Every refusal leaves the ask as it was, or ends it and says so."""
        with attempting(Permission.ASK_DECIDE, ask=ask_id, decision=word.decision):
            return self._decide(actor, ask_id, word)

    def standing(self, ask: Ask, decisions: Sequence[Decided]) -> Standing:
        """Whether the decisions of those who may still decide are enough, now.

        A yes ends with the key it was given with, whatever other keys that person holds: whoever
        revokes a stolen key takes back what was approved with it.
        """
        keys = self.parts.keys
        return standing(
            self.parts.profiles.current(),
            asker_person=ask.asker_person,
            approvals=[
                Given(decision.person, decision.decision)
                for decision in decisions
                if decision.plan == ask.plan
                and (decision.decision != APPROVE or keys.may_decide(decision.key_id))
            ],
            approvers=keys.approvers(),
        )

    def why_not(self, actor: Actor, ask: Ask) -> str:
        """Why `actor` may not approve this ask; empty when nothing stands in the way."""
        try:
            grant(actor, Permission.ASK_DECIDE, subject=ask.id)
            self._check_person(actor, ask)
            refuse_decider(
                self.parts.profiles.current(),
                asker_person=ask.asker_person,
                person=actor.person or "",
            )
        except Refusal as refusal:
            return refusal.message
        return ""

    # --- private ----------------------------------------------------------------------------

    def _decide(self, actor: Actor, ask_id: str, word: Word) -> Ask:
        may = grant(actor, Permission.ASK_DECIDE, subject=ask_id)
        ask = self.parts.asks.get(ask_id)
        self._check_person(may.actor, ask)
        self._check_state(ask, word.decision)
        self._check_word(may.actor, ask, word)
        if word.decision == APPROVE:
            self._check_still_true(ask)  # may ask a hub, and nobody else waits for that
        with self._one:
            ask = self.parts.asks.get(ask.id)
            self._check_state(ask, word.decision)
            return self._take(ask, may.actor, word)

    def _check_person(self, actor: Actor, ask: Ask) -> None:
        if actor.person is None:
            raise Forbidden(
                "A decision is a person's. This key belongs to nobody: use an approver's own key."
            )
        policy = self.parts.policy.decide(Question(DECIDE, actor, ask.act, {}))
        if policy.outcome is not Outcome.ALLOW:
            raise PolicyDenied(policy.why_not(), details={"policy": policy.as_dict()})

    def _check_apart(self, actor: Actor, ask: Ask) -> None:
        profile, person = self.parts.profiles.current(), actor.person or ""
        refuse_decider(profile, asker_person=ask.asker_person, person=person)

    def _check_state(self, ask: Ask, decision: str) -> None:
        if decision not in DECISIONS:
            raise InvalidRequest(f"Decide with one of: {', '.join(DECISIONS)}.", param="decision")
        if self.parts.end_overdue(ask) is not None or ask.state is State.EXPIRED:
            raise AskExpired(
                f"Ask {ask.id} has expired: it counts as denied. Ask again: "
                f"lmx approvals again {ask.id}"
            )
        if ask.state is not _WAITS_IN[decision]:
            advice = {State.PENDING: "reject it instead", State.APPROVED: "veto it instead"}
            more = advice.get(ask.state, f"see lmx approvals show {ask.id}")
            raise AskNotOpen(f"Ask {ask.id} is {ask.state}; to {decision} it is too late: {more}.")

    def _check_word(self, actor: Actor, ask: Ask, word: Word) -> None:
        plan = self.parts.asks.plan_of(ask)
        if word.plan_hash != plan.hash:
            raise PlanMismatch(
                f"The plan of ask {ask.id} is {plan.hash[:12]}..., not the one that was named. "
                f"Read it again: lmx approvals show {ask.id}"
            )
        if word.decision == APPROVE:
            refuse_decider(
                self.parts.profiles.current(),
                asker_person=ask.asker_person,
                person=actor.person or "",
            )
            _check_typed(word.confirmation, plan)
        elif is_blank(word.reason) or len(word.reason) > MAX_MEANING:
            raise InvalidRequest(
                f"Say why, in at most {MAX_MEANING} characters: whoever asked will read it.",
                param="reason",
            )
        if not self.challenges.take(word.challenge, actor.id, ask.id) or not self._proves(
            actor, word
        ):
            raise ProofRequired(
                "The proof that your key is at hand is missing, wrong or too old. Fetch the ask "
                "again and answer the challenge that comes with it."
            )

    def _proves(self, actor: Actor, word: Word) -> bool:
        try:
            proof = bytes.fromhex(word.proof)
        except ValueError:
            return False
        return self.parts.keys.proves(
            actor,
            proof,
            decision=word.decision,
            plan_hash=word.plan_hash,
            challenge=word.challenge,
        )

    def _check_still_true(self, ask: Ask) -> None:
        """What changed since it was asked is not approved: the ask ends, stale."""
        plan = self.parts.asks.plan_of(ask)
        self.parts.check_recorded(ask, plan)
        if changed := self.parts.changed(ask, plan):
            raise stale(self.parts, ask, changed)
        policy = self.parts.decided_on(ask, plan.body)
        if policy.outcome is Outcome.DENY:
            raise self.parts.blocked(ask, policy, policy.why_not())

    def _take(self, ask: Ask, actor: Actor, word: Word) -> Ask:
        now_us = self.parts.clock.utc_us()
        meaning = word.confirmation if word.decision == APPROVE else word.reason.strip()
        this = Decided(
            ask=ask.id,
            plan=word.plan_hash,
            decision=word.decision,
            key_id=actor.id.removeprefix("key:"),
            person=actor.person or "",
            meaning=meaning or "",
            decided_us=now_us,
        )
        decisions = [*self.parts.asks.decisions(ask.id), this]
        cause, state = self._follows(ask, word.decision, decisions)
        proof = bytes.fromhex(word.proof)
        event = decided(
            ask,
            actor,
            word.decision,
            state=state,
            meaning=this.meaning,
            proof=hashlib.sha256(proof).hexdigest(),
        )
        ends = word.decision != APPROVE
        if ends:
            event = self.parts.with_run(
                event, ask, actor, state, decisions=decisions, why=this.meaning
            )
        row = {**asdict(this), "challenge": word.challenge, "proof": proof}
        with self.parts.asks.deciding(event, row) as connection:
            if cause is not None:
                ending = {"ended_us": now_us, "why": this.meaning, "run": event.data.get("run")}
                self.parts.asks.follow(connection, ask, cause, **(ending if ends else {}))
        return self.parts.asks.get(ask.id)

    def _follows(
        self, ask: Ask, decision: str, decisions: Sequence[Decided]
    ) -> tuple[Cause | None, State]:
        if decision == REJECT:
            return Cause.REJECT, State.REJECTED
        if decision == VETO:
            return Cause.VETO, State.REVOKED
        if self.standing(ask, decisions).met:
            return Cause.QUORUM, State.APPROVED
        return None, ask.state


def stale(parts: Parts, ask: Ask, changed: Sequence[str]) -> PlanStale:
    """End an ask whose plan is not true any more; the refusal to raise."""
    why = f"What it would do has changed since it was asked: {', '.join(changed)}."
    stale = PlanStale(
        f"{why} Look at the new plan: lmx approvals again {ask.id}",
        details={"ask": ask.id, "changed": list(changed)},
    )
    stale.run = parts.end(ask, Cause.DRIFT, why).run
    return stale


def _check_typed(said: str | None, plan: Plan) -> None:
    try:
        confirmed(said, plan.typed)
    except ConfirmationRequired:
        raise ConfirmationRequired(
            f"To approve, type exactly: {plan.body['phrase']} and then the last {TAIL} characters "
            "of the plan's hash, as the plan shows them.",
            details={"phrase": plan.body["phrase"], "characters": TAIL},
        ) from None
